-- What the stations heard, asked about all of them at once (bulk.sql).

-- Before today. Wider and wider windows: of a table in months, few of them are looked into. On other servers the newest is
-- the greatest of a window; here it is one look into the index for each station.
CREATE FUNCTION emsn.bulk_last_detections(stations text[], time_zone text, today date)
RETURNS TABLE (station text, last_detection timestamptz)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET enable_partitionwise_aggregate = on
SET enable_hashagg = on
SET enable_sort = on
SET jit = off
AS $$
DECLARE
    windows CONSTANT timestamp[] := ARRAY[today, today - 1, today - 7, today - 60, today - 400, '-infinity'];
    there CONSTANT text := '
            SELECT s.station, s.last_detection {instant}
            FROM (SELECT %1$L AS time_zone) AS k
            CROSS JOIN (
                SELECT d.station, max(d.detection_timestamp) AS last_detection
                FROM {detections} AS d
                WHERE d.station = ANY (%2$L) AND {live}
                  AND d.detection_timestamp < (%3$s)[1] AND d.detection_timestamp >= (%3$s)[2]
                  AND d.detection_timestamp > ''-infinity''
                GROUP BY d.station
            ) AS s';
    here CONSTANT text := '
            SELECT k.station, l.last_detection {instant}
            FROM (SELECT n.station, %1$L AS time_zone FROM unnest(%2$L::text[]) AS n (station)) AS k
            CROSS JOIN LATERAL (
                SELECT d.detection_timestamp AS last_detection
                FROM {detections} AS d
                WHERE d.station = k.station AND {live}
                  AND d.detection_timestamp < (%3$s)[1] AND d.detection_timestamp >= (%3$s)[2]
                  AND d.detection_timestamp > ''-infinity''
                ORDER BY d.detection_timestamp DESC
                LIMIT 1
            ) AS l';
    query CONSTANT text := CASE WHEN emsn.is_remote() THEN there ELSE here END;
    rest text[] := stations;
    found text[];
BEGIN
    PERFORM emsn.prefer_groups_elsewhere();
    FOR i IN 2..cardinality(windows) LOOP
        EXIT WHEN rest = '{}';
        found := '{}';
        FOR station, last_detection IN EXECUTE emsn.bulk_sql(format(
            query, time_zone, rest, emsn.border_literals(windows[i - 1:i], time_zone)))
        LOOP
            found := found || station;
            RETURN NEXT;
        END LOOP;
        rest := ARRAY(SELECT r FROM unnest(rest) AS r WHERE r <> ALL (found));
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.bulk_last_detections(text[], text, date) IS 'The last detection before today of stations of one time zone.';

-- with_species: else species is NULL, and counting takes half the time.
CREATE FUNCTION emsn.bulk_station_rows(with_species boolean)
RETURNS TABLE (station text, time_zone text, expected boolean, detections bigint, species bigint,
               last_detection timestamptz,
               future_detections bigint, future_until timestamptz)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET enable_partitionwise_aggregate = on
SET enable_hashagg = on
SET enable_sort = on
SET jit = off
AS $$
DECLARE
    g record;
BEGIN
    PERFORM emsn.prefer_groups_elsewhere();
    FOR g IN SELECT z.time_zone, z.clock, z.today, z.stations FROM emsn.bulk_zones() AS z LOOP
        RETURN QUERY EXECUTE emsn.bulk_sql(format('
            WITH s AS MATERIALIZED (
                SELECT d.station,
                       count(*) FILTER (WHERE d.detection_timestamp < (%3$s)[2]) AS detections,
                       count(DISTINCT d.species) FILTER (WHERE %5$L AND d.detection_timestamp < (%3$s)[2]) AS species,
                       max(d.detection_timestamp) FILTER (WHERE d.detection_timestamp <= (%3$s)[3]) AS last_detection,
                       count(*) FILTER (WHERE d.detection_timestamp > (%3$s)[4]) AS future_detections,
                       max(d.detection_timestamp) FILTER (WHERE d.detection_timestamp > (%3$s)[4]) AS future_until
                FROM {detections} AS d
                WHERE d.station = ANY (%2$L) AND {live} AND d.detection_timestamp >= (%3$s)[1]
                GROUP BY d.station
            )
            SELECT k.station,
                   k.time_zone,
                   coalesce(r.expected, true),
                   coalesce(s.detections, 0),
                   CASE WHEN %5$L THEN coalesce(s.species, 0) END,
                   coalesce(s.last_detection {instant}, l.last_detection),
                   coalesce(s.future_detections, 0),
                   s.future_until {instant}
            FROM (SELECT n.station, %1$L AS time_zone FROM unnest(%2$L::text[]) AS n (station)) AS k
            LEFT JOIN emsn.station_settings AS r ON r.station = k.station
            LEFT JOIN s ON s.station = k.station
            LEFT JOIN emsn.bulk_last_detections(
                ARRAY(SELECT n FROM unnest(%2$L::text[]) AS n
                      WHERE n NOT IN (SELECT s.station FROM s WHERE s.last_detection IS NOT NULL)),
                %1$L, %4$L) AS l ON l.station = k.station',
            g.time_zone, g.stations,
            emsn.border_literals(ARRAY[g.today, g.today + 1, g.clock, g.clock + interval '10 minutes'], g.time_zone),
            g.today, with_species));
    END LOOP;
    RETURN QUERY
    SELECT k.station, k.time_zone, k.expected, NULL::bigint, NULL::bigint, NULL::timestamptz, NULL::bigint, NULL::timestamptz
    FROM emsn.remote_servers() AS s
    CROSS JOIN unnest(s.stations) AS u (station)
    JOIN emsn.known_stations() AS k ON k.station = u.station
    WHERE s.reason IS NOT NULL;
END
$$;
COMMENT ON FUNCTION emsn.bulk_station_rows(boolean) IS 'As emsn.today_rows and emsn.future_rows, for all stations at once; NULLs for stations whose server does not answer.';

-- From the past on, a quarter of a year at a time: the first one found is read, and nothing after it.
CREATE FUNCTION emsn.bulk_first_detections() RETURNS TABLE (station text, first_detection timestamptz)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET enable_partitionwise_aggregate = on
SET enable_hashagg = on
SET enable_sort = on
SET jit = off
AS $$
DECLARE
    windows timestamp[];
    g record;
    rest text[];
    found text[];
BEGIN
    PERFORM emsn.prefer_groups_elsewhere();
    FOR g IN SELECT z.time_zone, z.today, z.stations FROM emsn.bulk_zones() AS z LOOP
        windows := ARRAY['-infinity'::timestamp]
                   || ARRAY(SELECT generate_series(timestamp '2018-01-01', g.today, interval '3 months'))
                   || ARRAY['infinity'::timestamp];
        rest := g.stations;
        FOR i IN 2..cardinality(windows) LOOP
            EXIT WHEN rest = '{}';
            found := '{}';
            FOR station, first_detection IN EXECUTE emsn.bulk_sql(format('
                SELECT s.station, s.first_detection {instant}
                FROM (SELECT %1$L AS time_zone) AS k
                CROSS JOIN (
                    SELECT d.station, min(d.detection_timestamp) AS first_detection
                    FROM {detections} AS d
                    WHERE d.station = ANY (%2$L) AND {live}
                      AND d.detection_timestamp >= (%3$s)[1] AND d.detection_timestamp < (%3$s)[2]
                      AND d.detection_timestamp > ''-infinity''
                    GROUP BY d.station
                ) AS s', g.time_zone, rest, emsn.border_literals(windows[i - 1:i], g.time_zone)))
            LOOP
                found := found || station;
                RETURN NEXT;
            END LOOP;
            rest := ARRAY(SELECT r FROM unnest(rest) AS r WHERE r <> ALL (found));
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.bulk_first_detections() IS 'The first detection of each station, found by windows of time.';

CREATE FUNCTION emsn.bulk_detections_per_station(from_day date, to_day date)
RETURNS TABLE (station text, day date, detections bigint, species bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 100
SET search_path = pg_catalog, pg_temp
SET enable_partitionwise_aggregate = on
SET enable_hashagg = on
SET enable_sort = on
SET jit = off
AS $$
DECLARE
    g record;
BEGIN
    PERFORM emsn.prefer_groups_elsewhere();
    FOR g IN SELECT z.time_zone, z.stations FROM emsn.bulk_zones() AS z LOOP
        RETURN QUERY EXECUTE emsn.bulk_sql(format('
            SELECT k.station, k.day, coalesce(s.detections, 0), coalesce(s.species, 0)
            FROM (SELECT n AS station, $1 + i AS day, i + 1 AS bucket
                  FROM unnest(%1$L::text[]) AS n
                  CROSS JOIN generate_series(0, $2 - $1) AS i) AS k
            LEFT JOIN (
                SELECT d.station, width_bucket(d.detection_timestamp, %2$s) AS bucket, count(*) AS detections,
                       count(DISTINCT d.species) AS species
                FROM {detections} AS d
                WHERE d.station = ANY (%1$L) AND {live}
                  AND d.detection_timestamp >= (%3$s)[1] AND d.detection_timestamp < (%3$s)[2]
                GROUP BY d.station, width_bucket(d.detection_timestamp, %2$s)
            ) AS s ON s.station = k.station AND s.bucket = k.bucket',
            g.stations,
            emsn.border_literals(ARRAY(SELECT (from_day + n)::timestamp FROM generate_series(0, to_day - from_day) AS n ORDER BY n),
                                 g.time_zone),
            emsn.border_literals(ARRAY[from_day, to_day + 1]::timestamp[], g.time_zone)))
        USING from_day, to_day;
    END LOOP;
    RETURN QUERY
    SELECT u.station, from_day + n, NULL::bigint, NULL::bigint
    FROM emsn.remote_servers() AS s
    CROSS JOIN unnest(s.stations) AS u (station)
    CROSS JOIN generate_series(0, to_day - from_day) AS n
    WHERE s.reason IS NOT NULL;
END
$$;
COMMENT ON FUNCTION emsn.bulk_detections_per_station(date, date) IS 'As emsn.detections_per_station, for all stations at once; NULLs for stations whose server does not answer.';
