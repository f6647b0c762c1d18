-- What the stations heard: today, on each day, and when last. Deleted rows count nowhere.

-- usual_by_now: median, over the last 14 days before today on which the station heard anything, of the detections up to
-- this time of day. Those days are found one by one, newest first, each by one look into the index.
CREATE FUNCTION emsn.detections_today_rows()
RETURNS TABLE (station text, detections bigint, species bigint, last_detection timestamptz,
               minutes_since_last bigint, usual_by_now numeric)
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN QUERY EXECUTE emsn.detections_sql('
        SELECT k.station,
               n.detections,
               n.species,
               l.last_detection,
               floor(extract(epoch FROM statement_timestamp() - l.last_detection) / 60)::bigint,
               u.usual_by_now
        FROM emsn.known_stations() AS k
        CROSS JOIN LATERAL (
            SELECT count(*) AS detections,
                   count(DISTINCT d.species) AS species
            FROM {detections} AS d
            WHERE d.station = k.station AND {live}
              AND d.detection_timestamp >= (k.today::timestamp {zone})
              AND d.detection_timestamp < ((k.today + 1)::timestamp {zone})
        ) AS n
        LEFT JOIN LATERAL (
            SELECT d.detection_timestamp {instant} AS last_detection
            FROM {detections} AS d
            WHERE d.station = k.station AND {live}
              AND d.detection_timestamp <= {now}
              AND d.detection_timestamp > ''-infinity''
            ORDER BY d.detection_timestamp DESC
            LIMIT 1
        ) AS l ON true
        CROSS JOIN LATERAL (
            WITH RECURSIVE heard (day, number) AS (
                SELECT k.today, 0
                UNION ALL
                SELECT (SELECT (d.detection_timestamp {zone})::date
                        FROM {detections} AS d
                        WHERE d.station = k.station AND {live}
                          AND d.detection_timestamp < (h.day::timestamp {zone})
                          AND d.detection_timestamp > ''-infinity''
                        ORDER BY d.detection_timestamp DESC
                        LIMIT 1),
                       h.number + 1
                FROM heard AS h
                WHERE h.day IS NOT NULL AND h.number < 14
            )
            SELECT CASE WHEN count(*) >= 5 THEN
                       trim_scale(round(percentile_cont(0.5) WITHIN GROUP (ORDER BY c.detections)::numeric, 1))
                   END AS usual_by_now
            FROM heard AS h
            CROSS JOIN LATERAL (
                SELECT count(*)::double precision AS detections
                FROM {detections} AS d
                WHERE d.station = k.station AND {live}
                  AND d.detection_timestamp >= (h.day::timestamp {zone})
                  AND d.detection_timestamp <= ((h.day + k.clock::time) {zone})
            ) AS c
            WHERE h.number > 0 AND h.day IS NOT NULL
        ) AS u');
END
$$;
COMMENT ON FUNCTION emsn.detections_today_rows() IS 'Rows of emsn.detections_today.';

CREATE VIEW emsn.detections_today AS
SELECT t.station,
       t.detections,
       t.species,
       t.last_detection,
       t.minutes_since_last,
       t.usual_by_now
FROM emsn.detections_today_rows() AS t
ORDER BY t.station;
COMMENT ON VIEW emsn.detections_today IS 'Detections of each known station on its own calendar day so far, beside what is usual by this time of day.';

CREATE FUNCTION emsn.detections_per_station(from_day date, to_day date)
RETURNS TABLE (station text, day date, detections bigint, species bigint)
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 100
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

CREATE FUNCTION emsn.station_rows()
RETURNS TABLE (station text, time_zone text, first_detection timestamptz, last_detection timestamptz,
               silent_hours numeric, expected boolean, future_detections bigint, future_until timestamptz)
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    -- clocks may differ by a few minutes; what lies further ahead is a wrong date
    RETURN QUERY EXECUTE emsn.detections_sql('
        SELECT k.station,
               k.time_zone,
               f.first_detection,
               l.last_detection,
               round(extract(epoch FROM statement_timestamp() - l.last_detection) / 3600, 1),
               k.expected,
               a.detections,
               a.until
        FROM emsn.known_stations() AS k
        LEFT JOIN LATERAL (
            SELECT d.detection_timestamp {instant} AS first_detection
            FROM {detections} AS d
            WHERE d.station = k.station AND {live}
              AND d.detection_timestamp > ''-infinity''
            ORDER BY d.detection_timestamp
            LIMIT 1
        ) AS f ON true
        LEFT JOIN LATERAL (
            SELECT d.detection_timestamp {instant} AS last_detection
            FROM {detections} AS d
            WHERE d.station = k.station AND {live}
              AND d.detection_timestamp <= {now}
              AND d.detection_timestamp > ''-infinity''
            ORDER BY d.detection_timestamp DESC
            LIMIT 1
        ) AS l ON true
        CROSS JOIN LATERAL (
            SELECT count(*) AS detections,
                   max(d.detection_timestamp) {instant} AS until
            FROM {detections} AS d
            WHERE d.station = k.station AND {live}
              AND d.detection_timestamp > {now} + interval ''10 minutes''
        ) AS a');
END
$$;
COMMENT ON FUNCTION emsn.station_rows() IS 'Rows of emsn.stations, whether the station is expected, and how many of its detections are dated more than 10 minutes ahead.';

CREATE VIEW emsn.stations AS
SELECT s.station,
       s.time_zone,
       s.first_detection,
       s.last_detection,
       s.silent_hours,
       -- host reports are not stored yet
       NULL::bigint AS report_age_seconds,
       NULL::text AS emsn_version
FROM emsn.station_rows() AS s
ORDER BY s.station;
COMMENT ON VIEW emsn.stations IS 'Known stations: first and last detection, hours of silence. Detections dated in the future are no last detection.';
