-- What is usual for a station, from the last 14 days before today on which it heard anything. Those days are found one
-- by one, newest first, each by one look into the index, so that the cost does not grow with the years stored.
--
--   usual_by_now          median of the detections up to this time of day; NULL with fewer than 5 such days.
--                         counted_to: no day is counted further than this
--   usual_silence_hours   how long the station's silence may last. On each of those days: how long it took, from the clock
--                         time of its last detection on, until it had been heard 10 times. The longest but one of these
--                         (of fewer than 10: the longest), so that one storm does not deafen the check for two weeks, and
--                         2 hours at least, for rows may arrive in batches. In the evening that reaches to the next
--                         morning, so nights are no silence, and it follows the season. NULL with fewer than 5 such days
--                         in the 60 before the last detection.
--
-- stations: what has the columns of emsn.heard_stations, as FROM takes it.
CREATE FUNCTION emsn.habits_sql(stations text, counted_to integer) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN emsn.detections_sql(replace(replace('
        SELECT k.station,
               u.usual_by_now,
               u.usual_silence_hours
        FROM (
            SELECT s.station,
                   s.time_zone,
                   s.today,
                   s.clock,
                   s.last_detection,
                   s.last_detection AT TIME ZONE s.time_zone AS last_clock
            FROM {stations} AS s
        ) AS k
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
                   END AS usual_by_now,
                   CASE WHEN count(e.hours) >= 5 THEN
                       round(greatest(percentile_disc(0.9) WITHIN GROUP (ORDER BY e.hours), 2), 1)
                   END AS usual_silence_hours
            FROM heard AS h
            CROSS JOIN LATERAL (
                SELECT count(*)::double precision AS detections
                FROM (
                    SELECT
                    FROM {detections} AS d
                    WHERE d.station = k.station AND {live}
                      AND d.detection_timestamp >= (h.day::timestamp {zone})
                      AND d.detection_timestamp <= ((h.day + k.clock::time) {zone})
                    LIMIT {counted_to}
                ) AS n
            ) AS c
            CROSS JOIN LATERAL (
                SELECT h.day + k.last_clock::time AS clock
            ) AS f
            CROSS JOIN LATERAL (
                SELECT extract(epoch FROM (max(n.detection_timestamp) {instant}) - ((f.clock {zone}) {instant})) / 3600 AS hours
                FROM (
                    SELECT d.detection_timestamp
                    FROM {detections} AS d
                    WHERE d.station = k.station AND {live}
                      AND d.detection_timestamp > (f.clock {zone})
                      AND d.detection_timestamp <= (k.last_detection {instant})
                      AND h.day < k.last_clock::date
                      AND h.day >= k.last_clock::date - 60
                    ORDER BY d.detection_timestamp
                    LIMIT 10
                ) AS n
            ) AS e
            WHERE h.number > 0 AND h.day IS NOT NULL
        ) AS u', '{stations}', stations), '{counted_to}', coalesce(counted_to::text, 'ALL')));
END
$$;
COMMENT ON FUNCTION emsn.habits_sql(text, integer) IS 'Query for what is usual for some stations, ready to execute.';

CREATE FUNCTION emsn.habit_rows_one_by_one(counted_to integer)
RETURNS TABLE (station text, usual_by_now numeric, usual_silence_hours numeric)
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN QUERY EXECUTE emsn.habits_sql('emsn.heard_stations()', counted_to);
END
$$;
COMMENT ON FUNCTION emsn.habit_rows_one_by_one(integer) IS 'What is usual for each known station: detections by this time of day (no day counted further than counted_to), and hours of silence.';

CREATE FUNCTION emsn.habit_rows(counted_to integer DEFAULT NULL)
RETURNS TABLE (station text, usual_by_now numeric, usual_silence_hours numeric)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF emsn.in_bulk() THEN
        RETURN QUERY SELECT r.station, r.usual_by_now, r.usual_silence_hours FROM emsn.bulk_habit_rows(counted_to) AS r;
    ELSE
        RETURN QUERY SELECT r.station, r.usual_by_now, r.usual_silence_hours FROM emsn.habit_rows_one_by_one(counted_to) AS r;
    END IF;
END
$$;
COMMENT ON FUNCTION emsn.habit_rows(integer) IS 'What is usual for each known station: detections by this time of day (no day counted further than counted_to), and hours of silence.';
