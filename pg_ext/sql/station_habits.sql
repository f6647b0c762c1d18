-- What is usual for each station, learned once a day where there are many: counting 14 days of 2,000 stations takes
-- seconds, and emsn.health is asked every minute. With fewer stations it is counted when it is asked for (habits.sql).

CREATE TABLE emsn.station_habits (
    station text PRIMARY KEY,
    day date NOT NULL,
    usual_by_hour numeric[],
    usual_silence_hours numeric,
    learned_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE emsn.station_habits IS 'What is usual for each station, as emsn.learn_habits found it; it can be learned again at any time, so dumps leave it out.';
COMMENT ON COLUMN emsn.station_habits.day IS 'The station''s calendar day when it was learned; it holds for that day and the two after it.';
COMMENT ON COLUMN emsn.station_habits.usual_by_hour IS 'Median of the detections up to 0, 1, .. 24 o''clock of the last 14 days with a detection; NULL with fewer than 5.';

-- The table is read as its owner, whoever calls.
CREATE FUNCTION emsn.learn_habits() RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET enable_partitionwise_aggregate = on
SET enable_hashagg = on
SET enable_sort = on
SET jit = off
AS $$
DECLARE
    days CONSTANT integer := 21; -- some of them may be silent
    relation oid;
    g record;
BEGIN
    PERFORM emsn.prefer_groups_elsewhere();
    PERFORM emsn.require_primary('learn_habits');
    relation := emsn.detections_relation();
    IF (SELECT c.relkind FROM pg_class AS c WHERE c.oid = relation) = 'v' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'wrong_object_type',
            MESSAGE = 'learn_habits: the detections are a view: what is usual there is counted when it is asked for';
    END IF;
    DELETE FROM emsn.station_habits;
    FOR g IN
        SELECT s.time_zone, s.today, array_agg(s.station ORDER BY s.station) AS stations
        FROM emsn.learning_stations(statement_timestamp()) AS s
        WHERE s.station <> ALL (ARRAY(SELECT unnest(r.stations) FROM emsn.remote_servers() AS r WHERE r.reason IS NOT NULL))
        GROUP BY s.time_zone, s.today
    LOOP
        INSERT INTO emsn.station_habits (station, day, usual_by_hour)
        SELECT l.station, g.today, l.usual_by_hour
        FROM emsn.query_as_owner(relation, emsn.bulk_sql(format('
            WITH s AS MATERIALIZED (
                SELECT d.station, width_bucket(d.detection_timestamp, %2$s) - 1 AS hour, count(*) AS detections
                FROM {detections} AS d
                WHERE d.station = ANY (%1$L) AND {live}
                  AND d.detection_timestamp >= (%3$s)[1] AND d.detection_timestamp < (%3$s)[2]
                GROUP BY d.station, width_bucket(d.detection_timestamp, %2$s) - 1
            ),
            heard AS (
                SELECT s.station, s.hour / 24 AS day,
                       row_number() OVER (PARTITION BY s.station ORDER BY s.hour / 24 DESC) AS number
                FROM s
                GROUP BY s.station, s.hour / 24
            ),
            counted AS (
                SELECT h.station, o.hour + 1 AS hour,
                       sum(coalesce(s.detections, 0)) OVER (PARTITION BY h.station, h.day ORDER BY o.hour) AS detections
                FROM heard AS h
                CROSS JOIN generate_series(0, 23) AS o (hour)
                LEFT JOIN s ON s.station = h.station AND s.hour = h.day * 24 + o.hour
                WHERE h.number <= 14
            ),
            medians AS (
                SELECT c.station, c.hour, count(*) AS days,
                       percentile_cont(0.5) WITHIN GROUP (ORDER BY c.detections)::numeric AS detections
                FROM counted AS c
                GROUP BY c.station, c.hour
            )
            SELECT n.station,
                   CASE WHEN max(m.days) >= 5 THEN 0::numeric || array_agg(m.detections ORDER BY m.hour) END
            FROM unnest(%1$L::text[]) AS n (station)
            LEFT JOIN medians AS m ON m.station = n.station
            GROUP BY n.station',
            g.stations,
            emsn.border_literals(ARRAY(SELECT g.today - days + h * interval '1 hour'
                                       FROM generate_series(0, days * 24 - 1) AS h ORDER BY h), g.time_zone),
            emsn.border_literals(ARRAY[g.today - days, g.today]::timestamp[], g.time_zone))))
            AS l (station text, usual_by_hour numeric[]);
    END LOOP;
    IF NOT emsn.is_remote() THEN
        UPDATE emsn.station_habits AS h
        SET usual_silence_hours = u.usual_silence_hours
        FROM emsn.query_as_owner(relation, emsn.heard_sql(statement_timestamp(), true) || emsn.habits_sql('heard', 1))
            AS u (station text, usual_by_now numeric, usual_silence_hours numeric)
        WHERE u.station = h.station;
    END IF;
    RETURN (SELECT count(*) FROM emsn.station_habits);
END
$$;
COMMENT ON FUNCTION emsn.learn_habits() IS 'Learns what is usual for each station, for emsn.health over many stations; returns how many stations. Once a day.';

-- As emsn.habit_rows, from what was learned; usual_by_now lies between the two hours around the station's clock time.
CREATE FUNCTION emsn.learned_habit_rows() RETURNS TABLE (station text, usual_by_now numeric, usual_silence_hours numeric)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT h.station,
           trim_scale(round(h.usual_by_hour[c.hour + 1]
                            + (h.usual_by_hour[c.hour + 2] - h.usual_by_hour[c.hour + 1]) * (c.hours - c.hour), 1)),
           h.usual_silence_hours
    FROM emsn.station_habits AS h
    LEFT JOIN emsn.station_settings AS s ON s.station = h.station
    CROSS JOIN LATERAL (
        SELECT statement_timestamp() AT TIME ZONE coalesce(s.time_zone, current_setting('TimeZone')) AS clock
    ) AS t
    CROSS JOIN LATERAL (
        SELECT extract(epoch FROM t.clock::time) / 3600 AS hours, extract(hour FROM t.clock)::integer AS hour
    ) AS c
    WHERE h.day BETWEEN t.clock::date - 2 AND t.clock::date;
END
$$;
COMMENT ON FUNCTION emsn.learned_habit_rows() IS 'What is usual for each station now, as it was learned; no rows when that is longer ago than two days.';

CREATE FUNCTION emsn.has_learned_habits() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM emsn.station_habits AS h WHERE h.learned_at > statement_timestamp() - interval '2 days')
       AND emsn.has_many_stations();
END
$$;
COMMENT ON FUNCTION emsn.has_learned_habits() IS 'Whether emsn.health goes by what was learned.';
