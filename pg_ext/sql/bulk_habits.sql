-- What is usual for all stations at once (bulk.sql). One range of days is read whole: pieces of each day, by OR or UNION,
-- would be fewer rows and cost more.

-- usual_by_now as in emsn.habit_rows, from the last 14 days with a detection of the last 400. usual_silence_hours is not
-- asked for over the network: each server's own health knows it (emsn.check_shards).
CREATE FUNCTION emsn.bulk_habit_rows(counted_to integer)
RETURNS TABLE (station text, usual_by_now numeric, usual_silence_hours numeric)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET enable_partitionwise_aggregate = on
SET enable_hashagg = on
SET enable_sort = on
SET jit = off
AS $$
DECLARE
    -- most stations heard something on each of the last days; who did not is looked at further back
    windows CONSTANT integer[] := ARRAY[14, 60, 400];
    g record;
    days integer;
    rest text[];
    answered text[];
    heard_days bigint;
    borders text;
    day text;
    by_now text;
BEGIN
    PERFORM emsn.prefer_groups_elsewhere();
    FOR g IN SELECT z.time_zone, z.clock, z.today, z.stations FROM emsn.bulk_zones() AS z LOOP
        rest := g.stations;
        FOREACH days IN ARRAY windows LOOP
            EXIT WHEN rest = '{}';
            answered := '{}';
            borders := emsn.border_literals(ARRAY[g.today - days, g.today]::timestamp[], g.time_zone);
            IF emsn.detections_sql('{zone}') = '' OR (
                SELECT bool_and((g.today - n + 1) AT TIME ZONE g.time_zone - (g.today - n) AT TIME ZONE g.time_zone = interval '24:00')
                FROM generate_series(days, 1, -1) AS n)
            THEN
                day := format('date_bin(''1 day'', d.detection_timestamp, (%s)[1])', borders);
                by_now := format('count(*) FILTER (WHERE d.detection_timestamp - %s <= %L::interval)', day, g.clock::time);
            ELSE
                -- twice as slow. Odd pieces: from the beginning of a day up to this clock time; even ones: the rest of it
                day := format('width_bucket(d.detection_timestamp, %s)', emsn.border_literals(ARRAY(
                    SELECT b
                    FROM generate_series(-days, -1) AS n
                    CROSS JOIN LATERAL (VALUES ((g.today + n)::timestamp),
                                               (g.today + n + g.clock::time + interval '1 microsecond')) AS v (b)
                    ORDER BY n, b), g.time_zone));
                by_now := 'count(*)';
            END IF;
            FOR station, heard_days, usual_by_now IN EXECUTE emsn.bulk_sql(format('
                WITH s AS MATERIALIZED (
                    SELECT d.station, %2$s AS day, %3$s AS detections
                    FROM {detections} AS d
                    WHERE d.station = ANY (%1$L) AND {live}
                      AND d.detection_timestamp >= (%4$s)[1] AND d.detection_timestamp < (%4$s)[2]
                    GROUP BY d.station, %2$s
                )
                SELECT h.station,
                       count(*),
                       CASE WHEN count(*) >= 5 THEN
                           trim_scale(round(percentile_cont(0.5) WITHIN GROUP (ORDER BY h.by_now)::numeric, 1))
                       END
                FROM (
                    SELECT t.station,
                           least(sum(t.by_now), $1)::double precision AS by_now,
                           row_number() OVER (PARTITION BY t.station ORDER BY t.day DESC) AS number
                    FROM (%5$s) AS t
                    GROUP BY t.station, t.day
                ) AS h
                WHERE h.number <= 14
                GROUP BY h.station',
                rest, day, by_now, borders,
                CASE by_now WHEN 'count(*)'
                     THEN 'SELECT s.station, (s.day + 1) / 2 AS day, CASE s.day % 2 WHEN 1 THEN s.detections ELSE 0 END AS by_now FROM s'
                     ELSE 'SELECT s.station, s.day, s.detections AS by_now FROM s' END))
                USING counted_to
            LOOP
                CONTINUE WHEN heard_days < 14 AND days < windows[cardinality(windows)];
                answered := answered || station;
                RETURN NEXT;
            END LOOP;
            rest := ARRAY(SELECT r FROM unnest(rest) AS r WHERE r <> ALL (answered));
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.bulk_habit_rows(integer) IS 'As emsn.habit_rows, for all stations at once; without usual_silence_hours.';
