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
BEGIN
    PERFORM emsn.prefer_groups_elsewhere();
    FOR g IN SELECT z.time_zone, z.clock, z.today, z.stations FROM emsn.bulk_zones() AS z LOOP
        rest := g.stations;
        FOREACH days IN ARRAY windows LOOP
            EXIT WHEN rest = '{}';
            answered := '{}';
            -- odd buckets: from the beginning of a day up to this clock time; even ones: the rest of it
            FOR station, heard_days, usual_by_now IN EXECUTE emsn.bulk_sql(format('
                WITH s AS MATERIALIZED (
                    SELECT d.station, width_bucket(d.detection_timestamp, %2$s) AS bucket, count(*) AS detections
                    FROM {detections} AS d
                    WHERE d.station = ANY (%1$L) AND {live}
                      AND d.detection_timestamp >= (%3$s)[1] AND d.detection_timestamp < (%3$s)[2]
                    GROUP BY d.station, width_bucket(d.detection_timestamp, %2$s)
                )
                SELECT h.station,
                       count(*),
                       CASE WHEN count(*) >= 5 THEN
                           trim_scale(round(percentile_cont(0.5) WITHIN GROUP (ORDER BY h.by_now)::numeric, 1))
                       END
                FROM (
                    SELECT s.station,
                           least(coalesce(sum(s.detections) FILTER (WHERE s.bucket %% 2 = 1), 0), $1)::double precision AS by_now,
                           row_number() OVER (PARTITION BY s.station ORDER BY (s.bucket + 1) / 2 DESC) AS number
                    FROM s
                    GROUP BY s.station, (s.bucket + 1) / 2
                ) AS h
                WHERE h.number <= 14
                GROUP BY h.station',
                rest,
                emsn.border_literals(ARRAY(
                    SELECT b
                    FROM generate_series(-days, -1) AS n
                    CROSS JOIN LATERAL (VALUES ((g.today + n)::timestamp),
                                               (g.today + n + g.clock::time + interval '1 microsecond')) AS v (b)
                    ORDER BY n, b), g.time_zone),
                emsn.border_literals(ARRAY[g.today - days, g.today]::timestamp[], g.time_zone)))
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
