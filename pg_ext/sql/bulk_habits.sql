-- What is usual for all stations at once (bulk.sql). Few rows are read: of each day those up to this time of day, and after
-- it only until it is known whether the station heard anything on that day.

CREATE TYPE emsn.day_count AS (
    station text,
    day integer,
    detections bigint
);
COMMENT ON TYPE emsn.day_count IS 'Detections of a station on a day, which is told as its distance from today.';

-- For each of the days before today, as many as are asked for: those pieces of it of which the stations are to be counted.
-- since, until: clock times, NULL: the end of the day. stations: whose pieces, by day; NULL: all of them.
CREATE FUNCTION emsn.bulk_day_counts(time_zone text, today date, stations text[], days integer, since time, until time,
                                     known emsn.day_count[])
RETURNS SETOF emsn.day_count
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_partitionwise_aggregate = on
SET enable_hashagg = on
SET enable_sort = on
SET jit = off
AS $$
DECLARE
    begins CONSTANT timestamp[] := ARRAY(SELECT today - n + since FROM generate_series(days, 1, -1) AS n ORDER BY n DESC);
    ends CONSTANT timestamp[] := ARRAY(SELECT coalesce(today - n + until, today - n + 1)
                                       FROM generate_series(days, 1, -1) AS n ORDER BY n DESC);
    pieces text;
BEGIN
    PERFORM emsn.prefer_groups_elsewhere();
    SELECT string_agg(format('d.station = ANY (%L) AND d.detection_timestamp >= (%s)[1] AND d.detection_timestamp < (%2$s)[2]',
                             w.stations, emsn.border_literals(ARRAY[begins[w.number], ends[w.number]], time_zone)), ' OR ')
    INTO pieces
    FROM (
        SELECT days + 1 - n AS number,
               ARRAY(SELECT u
                     FROM unnest(bulk_day_counts.stations) AS u
                     EXCEPT
                     SELECT k.station
                     FROM unnest(known) AS k
                     WHERE k.day = n) AS stations
        FROM generate_series(days, 1, -1) AS n
    ) AS w
    WHERE w.stations <> '{}';
    IF pieces IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE emsn.bulk_sql(format('
        SELECT s.station, %s - s.bucket + 1, s.detections
        FROM (
            SELECT d.station::text AS station, width_bucket(d.detection_timestamp, %s) AS bucket, count(*) AS detections
            FROM {detections} AS d
            WHERE d.station = ANY (%L) AND {live} AND (%s)
            GROUP BY d.station, width_bucket(d.detection_timestamp, %2$s)
        ) AS s', days, emsn.border_literals(begins, time_zone), stations, pieces));
END
$$;
COMMENT ON FUNCTION emsn.bulk_day_counts(text, date, text[], integer, time, time, emsn.day_count[]) IS 'Detections of stations of one time zone on the days before today, in a piece of each day; days that are known already are left out.';

-- usual_by_now as in emsn.habit_rows, from the last 14 days with a detection of the last 400. usual_silence_hours is not
-- asked for over the network: each server's own health knows it (emsn.check_shards).
CREATE FUNCTION emsn.bulk_habit_rows(counted_to integer)
RETURNS TABLE (station text, usual_by_now numeric, usual_silence_hours numeric)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- most stations heard something on each of the last days; who did not is looked at further back
    windows CONSTANT integer[] := ARRAY[14, 60, 400];
    -- on a day that was silent so far, the next hours tell most
    later CONSTANT interval[] := ARRAY['3 hours', '9 hours', '1 day'];
    g record;
    days integer;
    wait interval;
    since time;
    until time;
    counts emsn.day_count[];
    rest text[];
    answered text[];
BEGIN
    FOR g IN SELECT z.time_zone, z.clock, z.today, z.stations FROM emsn.bulk_zones() AS z LOOP
        rest := g.stations;
        FOREACH days IN ARRAY windows LOOP
            EXIT WHEN rest = '{}';
            -- up to and with this microsecond
            since := time '00:00';
            until := nullif(g.clock::time + interval '1 microsecond', time '00:00');
            counts := ARRAY(SELECT c FROM emsn.bulk_day_counts(g.time_zone, g.today, rest, days, since, until, '{}') AS c);
            FOREACH wait IN ARRAY later LOOP
                EXIT WHEN until IS NULL;
                since := until;
                until := CASE WHEN since + wait > since AND wait < interval '1 day' THEN since + wait END;
                counts := counts || ARRAY(
                    SELECT ROW(c.station, c.day, 0)::emsn.day_count
                    FROM emsn.bulk_day_counts(g.time_zone, g.today, rest, days, since, until, counts) AS c);
            END LOOP;
            answered := '{}';
            FOR station, usual_by_now IN
                SELECT h.station,
                       CASE WHEN count(*) >= 5 THEN
                           trim_scale(round(percentile_cont(0.5) WITHIN GROUP (ORDER BY h.detections)::numeric, 1))
                       END
                FROM (
                    SELECT c.station,
                           least(c.detections, counted_to)::double precision AS detections,
                           row_number() OVER (PARTITION BY c.station ORDER BY c.day) AS number
                    FROM unnest(counts) AS c
                ) AS h
                WHERE h.number <= 14
                GROUP BY h.station
                HAVING count(*) = 14 OR days = windows[cardinality(windows)]
            LOOP
                answered := answered || station;
                RETURN NEXT;
            END LOOP;
            rest := ARRAY(SELECT r FROM unnest(rest) AS r WHERE r <> ALL (answered));
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.bulk_habit_rows(integer) IS 'As emsn.habit_rows, for all stations at once; without usual_silence_hours.';
