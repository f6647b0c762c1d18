-- What the stations heard: today, on each day, and when last. Deleted rows count nowhere. PARALLEL UNSAFE: asking other
-- servers takes subtransactions.

CREATE FUNCTION emsn.today_rows()
RETURNS TABLE (station text, time_zone text, expected boolean, detections bigint, species bigint,
               last_detection timestamptz)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    IF emsn.in_bulk() THEN
        RETURN QUERY SELECT b.station, b.time_zone, b.expected, b.detections, b.species, b.last_detection
                     FROM emsn.bulk_station_rows(true) AS b;
        RETURN;
    END IF;
    RETURN QUERY EXECUTE emsn.detections_sql('
        SELECT k.station,
               k.time_zone,
               k.expected,
               n.detections,
               n.species,
               {last}
        FROM emsn.known_stations() AS k
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(s.detections), 0)::bigint AS detections,
                   count(s.species) AS species
            FROM (
                SELECT d.species,
                       count(*) AS detections
                FROM {detections} AS d
                WHERE d.station = k.station AND {live}
                  AND d.detection_timestamp >= (k.today::timestamp {zone})
                  AND d.detection_timestamp < ((k.today + 1)::timestamp {zone})
                GROUP BY d.species
            ) AS s
        ) AS n');
END
$$;
COMMENT ON FUNCTION emsn.today_rows() IS 'Each known station: what it heard on its own calendar day so far, and its last detection.';

-- One row a station in the subquery: a reader who does not ask for usual_by_now does not pay for it.
CREATE VIEW emsn.detections_today AS
SELECT s.station,
       s.detections,
       s.species,
       s.last_detection,
       floor(extract(epoch FROM statement_timestamp() - s.last_detection) / 60)::bigint AS minutes_since_last,
       u.usual_by_now
FROM emsn.today_rows() AS s
LEFT JOIN (
    SELECT h.station,
           max(h.usual_by_now) AS usual_by_now
    FROM emsn.habit_rows() AS h
    GROUP BY h.station
) AS u ON u.station = s.station
ORDER BY s.station;
COMMENT ON VIEW emsn.detections_today IS 'Detections of each known station on its own calendar day so far, beside what is usual by this time of day.';

CREATE FUNCTION emsn.silent_hours(last_detection timestamptz) RETURNS numeric
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN round(extract(epoch FROM statement_timestamp() - last_detection) / 3600, 1);
END
$$;
COMMENT ON FUNCTION emsn.silent_hours(timestamptz) IS 'Hours since then.';

CREATE FUNCTION emsn.station_rows()
RETURNS TABLE (station text, time_zone text, first_detection timestamptz, last_detection timestamptz)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    IF emsn.is_remote() THEN
        RETURN QUERY SELECT b.station, b.time_zone, f.first_detection, b.last_detection
                     FROM emsn.bulk_station_rows(false) AS b
                     LEFT JOIN emsn.bulk_first_detections() AS f ON f.station = b.station;
        RETURN;
    END IF;
    RETURN QUERY EXECUTE emsn.detections_sql('
        SELECT k.station,
               k.time_zone,
               f.first_detection,
               k.last_detection
        FROM emsn.heard_stations() AS k
        LEFT JOIN LATERAL (
            SELECT d.detection_timestamp {instant} AS first_detection
            FROM {detections} AS d
            WHERE d.station = k.station AND {live}
              AND d.detection_timestamp > ''-infinity''
            ORDER BY d.detection_timestamp
            LIMIT 1
        ) AS f ON true');
END
$$;
COMMENT ON FUNCTION emsn.station_rows() IS 'Each known station with its first and last detection.';

CREATE VIEW emsn.stations AS
SELECT s.station,
       s.time_zone,
       s.first_detection,
       s.last_detection,
       emsn.silent_hours(s.last_detection) AS silent_hours,
       emsn.reported_age(r.received_at, r.received_at, r.received_at) AS report_age_seconds,
       emsn.json_text(r.report -> 'emsn') AS emsn_version
FROM emsn.station_rows() AS s
LEFT JOIN emsn.newest_host_reports() AS r ON r.station = s.station
ORDER BY s.station;
COMMENT ON VIEW emsn.stations IS 'Known stations: first and last detection, hours of silence, age of the host report. Detections dated in the future are no last detection.';

CREATE FUNCTION emsn.detections_per_station(from_day date, to_day date)
RETURNS TABLE (station text, day date, detections bigint, species bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    IF from_day IS NULL OR to_day IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'detections_per_station: neither from_day nor to_day may be NULL';
    END IF;
    -- the calendar of people, not that of the type, whose last days have no end
    IF from_day > to_day OR from_day < date '0001-01-01' OR to_day > date '9999-12-31' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('detections_per_station: %s to %s is no range of days', from_day, to_day);
    END IF;
    IF emsn.in_bulk() THEN
        RETURN QUERY SELECT r.station, r.day, r.detections, r.species
                     FROM emsn.bulk_detections_per_station(from_day, to_day) AS r
                     ORDER BY r.station, r.day;
        RETURN;
    END IF;
    RETURN QUERY EXECUTE emsn.detections_sql('
        SELECT k.station,
               g.day,
               coalesce(c.detections, 0),
               coalesce(c.species, 0)
        FROM emsn.known_stations() AS k
        CROSS JOIN LATERAL (SELECT $1 + n FROM generate_series(0, $2 - $1) AS n) AS g (day)
        LEFT JOIN LATERAL (
            SELECT (d.detection_timestamp {zone})::date AS day,
                   count(*) AS detections,
                   count(DISTINCT d.species) AS species
            FROM {detections} AS d
            WHERE d.station = k.station AND {live}
              AND d.detection_timestamp >= ($1::timestamp {zone})
              AND d.detection_timestamp < (($2 + 1)::timestamp {zone})
            GROUP BY 1
        ) AS c ON c.day = g.day
        ORDER BY k.station, g.day')
    USING from_day, to_day;
END
$$;
COMMENT ON FUNCTION emsn.detections_per_station(date, date) IS 'Detections of each known station on each of its own calendar days from from_day to to_day, both included; 0 where there were none.';

-- Clocks may differ by a few minutes; what lies further ahead is a wrong date.
CREATE FUNCTION emsn.future_rows()
RETURNS TABLE (station text, detections bigint, until timestamptz)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN QUERY EXECUTE emsn.detections_sql('
        SELECT k.station,
               a.detections,
               a.until
        FROM emsn.known_stations() AS k
        CROSS JOIN LATERAL (
            SELECT count(*) AS detections,
                   max(d.detection_timestamp) {instant} AS until
            FROM {detections} AS d
            WHERE d.station = k.station AND {live}
              AND d.detection_timestamp > {now} + interval ''10 minutes''
        ) AS a');
END
$$;
COMMENT ON FUNCTION emsn.future_rows() IS 'Each known station: how many detections are dated more than 10 minutes ahead, and up to when.';
