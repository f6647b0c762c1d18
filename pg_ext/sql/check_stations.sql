-- Checks of the stations. One function: where the table of detections cannot be read, that is one answer, not one for
-- each check and station.
CREATE FUNCTION emsn.check_stations() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    t record;
    s record;
    result emsn.health_row;
    not_expected CONSTANT text := '; not expected';
    look CONSTANT text := 'Look at the station: power, network, microphone, recorder. A planned silence: set expected to false in emsn.station_settings.';
BEGIN
    FOR t IN
        SELECT d.station, d.detections, d.species, d.usual_by_now, coalesce(r.expected, true) AS expected
        FROM emsn.detections_today_rows() AS d
        LEFT JOIN emsn.station_settings AS r ON r.station = d.station
    LOOP
        result := emsn.judge(
            'detections_today', t.station, t.detections, 'detections', t.usual_by_now, true, NULL, NULL,
            format('%s detection%s of %s species today%s', t.detections, CASE WHEN t.detections <> 1 THEN 's' END,
                   t.species, '; usually ' || t.usual_by_now || ' by now'),
            look);
        IF NOT t.expected THEN
            result.status := 'ok';
            result.message := result.message || not_expected;
            result.remedy := NULL;
        END IF;
        RETURN NEXT result;
    END LOOP;
    FOR s IN
        SELECT r.station, r.time_zone, r.last_detection, r.silent_hours, r.expected, r.future_detections, r.future_until
        FROM emsn.station_rows() AS r
    LOOP
        IF s.last_detection IS NULL THEN
            RETURN NEXT emsn.unjudged('silent_station', s.station, CASE WHEN s.expected THEN 'unknown' ELSE 'ok' END,
                                      'never heard' || CASE WHEN s.expected THEN '' ELSE not_expected END,
                                      CASE WHEN s.expected THEN look END);
        ELSIF NOT s.expected THEN
            RETURN NEXT emsn.unjudged('silent_station', s.station, 'ok',
                                      format('silent for %s hours%s', s.silent_hours, not_expected), NULL);
        ELSE
            RETURN NEXT emsn.judge(
                'silent_station', s.station, s.silent_hours, 'hours', NULL, false, '24', '48',
                format('last detection %s hours ago, at %s (%s)', s.silent_hours,
                       to_char(s.last_detection AT TIME ZONE s.time_zone, 'YYYY-MM-DD HH24:MI'), s.time_zone),
                look);
        END IF;
        IF s.future_detections > 0 THEN
            RETURN NEXT emsn.judge(
                'future_detections', s.station, s.future_detections, 'detections', NULL, false, '1', NULL,
                format('%s detection%s dated in the future, up to %s', s.future_detections,
                       CASE WHEN s.future_detections <> 1 THEN 's' END, s.future_until),
                'Look at the clock and the time zone of the station (emsn.station_settings), and correct those rows.');
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.check_stations() IS 'For each known station: detections today, hours of silence, detections dated in the future.';
