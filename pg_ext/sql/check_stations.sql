-- Checks of the stations. One function: where the table of detections cannot be read, that is one answer, not one for
-- each check and station.
CREATE FUNCTION emsn.check_stations() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- enough to tell a station that hears next to nothing; a user's own percentage is of the whole
    counted_to CONSTANT integer := 500;
    -- fewer are no measure: 2 of 20 are a fault, 0 of 5 an hour of rain
    enough CONSTANT integer := 20;
    -- as long as no habit is known
    day_hours CONSTANT numeric := 24;
    not_expected CONSTANT text := '; not expected';
    look CONSTANT text := 'Look at the station: power, network, microphone, recorder. A planned silence: set expected to false in emsn.station_settings.';
    s record;
    exactly boolean := EXISTS (SELECT FROM emsn.thresholds AS t
                               WHERE t.check_name = 'detections_today' AND concat(t.warning_at, t.critical_at) LIKE '%\%%');
    in_bulk CONSTANT boolean := emsn.in_bulk();
    learned CONSTANT boolean := emsn.has_learned_habits();
    silent_hours numeric;
    nameless bigint;
    elsewhere CONSTANT text[] := emsn.stations_judged_elsewhere();
    result emsn.health_row;
BEGIN
    PERFORM emsn.require_readable_detections();
    exactly := exactly OR learned;
    FOR s IN
        SELECT r.station, r.time_zone, r.expected, r.detections, r.species, r.last_detection, r.future_detections,
               r.future_until, h.usual_by_now, h.usual_silence_hours
        FROM (
            SELECT b.station, b.time_zone, b.expected, b.detections, b.species, b.last_detection, b.future_detections,
                   b.future_until
            FROM emsn.bulk_station_rows(false) AS b
            WHERE in_bulk AND b.station <> ALL (elsewhere) -- emsn.check_shards speaks of the others
              AND b.detections IS NOT NULL
            UNION ALL
            SELECT t.station, t.time_zone, t.expected, t.detections, t.species, t.last_detection, f.detections, f.until
            FROM emsn.today_rows() AS t
            LEFT JOIN emsn.future_rows() AS f ON f.station = t.station
            WHERE NOT in_bulk
        ) AS r
        LEFT JOIN (
            SELECT l.station, l.usual_by_now, l.usual_silence_hours
            FROM emsn.learned_habit_rows() AS l
            WHERE learned
            UNION ALL
            SELECT c.station, c.usual_by_now, c.usual_silence_hours
            FROM emsn.habit_rows(CASE WHEN NOT exactly THEN counted_to END) AS c
            WHERE NOT learned
        ) AS h ON h.station = r.station
    LOOP
        result := emsn.judge(
            'detections_today', s.station, s.detections, 'detections', s.usual_by_now, true,
            CASE WHEN s.usual_by_now >= enough THEN '10%' END, NULL,
            format('%s detection%s%s today%s', s.detections, CASE WHEN s.detections <> 1 THEN 's' END,
                   ' of ' || s.species || ' species',
                   '; usually ' || s.usual_by_now
                   || CASE WHEN s.usual_by_now = counted_to AND NOT exactly THEN ' or more' ELSE '' END || ' by now'),
            look);
        IF NOT s.expected THEN
            result.status := 'ok';
            result.message := result.message || not_expected;
            result.remedy := NULL;
        END IF;
        RETURN NEXT result;
        silent_hours := emsn.silent_hours(s.last_detection);
        IF silent_hours IS NULL THEN
            RETURN NEXT emsn.unjudged('silent_station', s.station, CASE WHEN s.expected THEN 'unknown' ELSE 'ok' END,
                                      'never heard' || CASE WHEN s.expected THEN '' ELSE not_expected END,
                                      CASE WHEN s.expected THEN look END);
        ELSIF NOT s.expected THEN
            RETURN NEXT emsn.unjudged('silent_station', s.station, 'ok',
                                      format('silent for %s hours%s', silent_hours, not_expected), NULL);
        ELSE
            RETURN NEXT emsn.judge(
                'silent_station', s.station, silent_hours, 'hours', coalesce(s.usual_silence_hours, day_hours), false,
                '100%', '200%',
                format('last detection %s hours ago, at %s (%s); %s', silent_hours,
                       to_char(s.last_detection AT TIME ZONE s.time_zone, 'YYYY-MM-DD HH24:MI'), s.time_zone,
                       coalesce('usually heard again within ' || s.usual_silence_hours || ' hours',
                                'too few days to know what is usual')),
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
    EXECUTE emsn.detections_sql('
        SELECT count(*)
        FROM (SELECT FROM {detections} AS d WHERE d.station IS NULL AND {live} LIMIT 1000) AS n')
    INTO nameless;
    IF nameless > 0 THEN
        RETURN NEXT emsn.judge(
            'nameless_detections', 'all stations', nameless, 'detections', NULL, false, '1', NULL,
            format('%s detection%s without a station, shown nowhere else',
                   nameless || CASE WHEN nameless = 1000 THEN ' or more' ELSE '' END,
                   CASE WHEN nameless <> 1 THEN 's' END),
            'Give those rows the station that heard them.');
    END IF;
END
$$;
COMMENT ON FUNCTION emsn.check_stations() IS 'For each known station: detections today, hours of silence, detections dated in the future; and detections without a station.';
