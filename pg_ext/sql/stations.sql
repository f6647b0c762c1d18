-- How the user's table is read: its name is text until the moment of the query, so it can come, go and change. All SQL
-- over it passes emsn.detections_sql. Day borders are computed for each station before its rows are looked for, so that
-- an index on (station, detection_timestamp) serves. jit = off: on a table without statistics the planner's guess is high
-- enough to compile these queries for seconds where they run for milliseconds.

-- Fills in a query over {detections} AS d, with stations as k:
--   {live}      the rows that count
--   {zone}      turns the column's type into local time of k, and local time of k into the column's type
--   {instant}   turns the column into timestamptz
--   {now}       this moment in the column's type
--   {last}      the last detection of k up to now: none in the future, for a clock that runs ahead is not a bird
CREATE FUNCTION emsn.detections_sql(query text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    last_detection CONSTANT text := '(
        SELECT d.detection_timestamp {instant}
        FROM {detections} AS d
        WHERE d.station = k.station AND {live}
          AND d.detection_timestamp <= {now}
          AND d.detection_timestamp > ''-infinity''
        ORDER BY d.detection_timestamp DESC
        LIMIT 1)';
    named text := (SELECT s.value FROM emsn.settings AS s WHERE s.name = 'detections');
    relation regclass := to_regclass(named);
    type_name text;
    has_deleted boolean;
    is_local boolean;
BEGIN
    IF named IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'no table of detections is named yet',
            HINT = 'SELECT emsn.use_detections(''schema.table''); or, to make one: SELECT emsn.create_detections(''public.bird_detections'');';
    END IF;
    IF relation IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_table',
            MESSAGE = format('the table of detections %s is not there', named),
            HINT = 'Restore it, or name another one: SELECT emsn.use_detections(''schema.table'');';
    END IF;
    SELECT max(format_type(a.atttypid, NULL)) FILTER (WHERE a.attname = 'detection_timestamp'),
           coalesce(bool_or(a.attname = 'deleted'), false)
    INTO type_name, has_deleted
    FROM pg_attribute AS a
    WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped;
    IF type_name IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_column',
            MESSAGE = format('%s has no column detection_timestamp', named);
    END IF;
    is_local := CASE type_name WHEN 'timestamp with time zone' THEN false
                               WHEN 'timestamp without time zone' THEN true END;
    IF is_local IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'datatype_mismatch',
            MESSAGE = format('%s: detection_timestamp is %s, not timestamptz or timestamp', named, type_name);
    END IF;
    query := replace(query, '{last}', last_detection);
    query := replace(query, '{live}', CASE WHEN has_deleted THEN 'd.deleted IS NOT TRUE' ELSE 'true' END);
    query := replace(query, '{zone}', CASE WHEN is_local THEN '' ELSE 'AT TIME ZONE k.time_zone' END);
    query := replace(query, '{instant}', CASE WHEN is_local THEN 'AT TIME ZONE k.time_zone' ELSE '' END);
    query := replace(query, '{now}', CASE WHEN is_local THEN 'k.clock' ELSE 'statement_timestamp()' END);
    -- last: a name may look like one of the above
    RETURN replace(query, '{detections}', relation::text);
END
$$;
COMMENT ON FUNCTION emsn.detections_sql(text) IS 'Query over the table of detections, ready to execute; errors 55000 (none named), 42P01 (not there), 42703, 42804.';

-- Without an index to jump through every row is read.
-- as_owner: for the owner of that table, who may read nothing of this extension.
CREATE FUNCTION emsn.station_names_sql(as_owner boolean DEFAULT false) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
DECLARE
    jumping CONSTANT text := '
        WITH RECURSIVE jump (station) AS (
            (SELECT d.station::text FROM {detections} AS d
             WHERE d.station IS NOT NULL AND {live} ORDER BY d.station LIMIT 1)
            UNION ALL
            SELECT (SELECT d.station::text FROM {detections} AS d
                    WHERE d.station > j.station AND {live} ORDER BY d.station LIMIT 1)
            FROM jump AS j
            WHERE j.station IS NOT NULL
        )
        SELECT j.station FROM jump AS j WHERE j.station IS NOT NULL';
    reading CONSTANT text := '
        SELECT DISTINCT d.station::text FROM {detections} AS d WHERE d.station IS NOT NULL AND {live}';
    -- on other servers: DISTINCT would not be done there
    grouping CONSTANT text := '
        SELECT d.station::text FROM {detections} AS d WHERE d.station IS NOT NULL GROUP BY d.station';
    placed text[];
    present record;
BEGIN
    IF emsn.is_remote() THEN
        -- the bounds of the partitions there tell, if all of them do; partitions here are read
        SELECT array_agg(s) FILTER (WHERE s IS NOT NULL)
        INTO placed
        FROM emsn.remote_parts() AS r
        LEFT JOIN LATERAL unnest(r.stations) AS s ON true
        HAVING bool_and(r.stations IS NOT NULL);
        RETURN CASE WHEN placed IS NULL THEN grouping ELSE
            format('SELECT unnest(%1$L::text[])
                    UNION
                    SELECT d.station::text FROM {detections} AS d WHERE d.station <> ALL (%1$L) GROUP BY d.station', placed) END;
    END IF;
    IF NOT emsn.finds_stations() THEN
        RETURN reading;
    END IF;
    -- Each jump looks into the index of each partition. What was learned knows the stations of all of them then; new ones
    -- are in those of the time since, or have published.
    IF NOT as_owner AND emsn.has_learned_habits() THEN
        SELECT bool_or(p.is_local) AS is_local, min(p.from_time) AS from_time, max(p.to_time) AS to_time
        INTO present
        FROM emsn.time_partitions() AS p
        WHERE p.from_time <= statement_timestamp() AND p.to_time > (SELECT min(h.learned_at) FROM emsn.station_habits AS h);
        IF NOT present.is_local THEN
            RETURN replace(jumping, '{live}', format(
                       '{live} AND d.detection_timestamp >= %L AND d.detection_timestamp < %L', present.from_time, present.to_time))
                   || ' UNION SELECT h.station FROM emsn.station_habits AS h UNION SELECT s.station FROM emsn.sync_state AS s';
        END IF;
    END IF;
    RETURN jumping;
END
$$;
COMMENT ON FUNCTION emsn.station_names_sql(boolean) IS 'Query for the stations in the table of detections, to be filled in by emsn.detections_sql.';

-- Rows without a station belong to none and are not shown.
CREATE FUNCTION emsn.known_stations()
RETURNS TABLE (station text, time_zone text, expected boolean, clock timestamp, today date)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
SET enable_partitionwise_aggregate = on
SET jit = off
AS $$
DECLARE
    heard text[];
BEGIN
    EXECUTE format('SELECT array_agg(s.station) FROM (%s) AS s (station)',
                   emsn.detections_sql(emsn.station_names_sql()))
    INTO heard;
    RETURN QUERY
    SELECT n.station,
           z.time_zone,
           coalesce(s.expected, true),
           statement_timestamp() AT TIME ZONE z.time_zone,
           (statement_timestamp() AT TIME ZONE z.time_zone)::date
    FROM (SELECT unnest(heard) UNION SELECT r.station FROM emsn.station_settings AS r) AS n (station)
    LEFT JOIN emsn.station_settings AS s ON s.station = n.station
    CROSS JOIN LATERAL (SELECT coalesce(s.time_zone, current_setting('TimeZone'))) AS z (time_zone);
END
$$;
COMMENT ON FUNCTION emsn.known_stations() IS 'Stations of the registry and of the table of detections, each with its zone, its clock and its calendar day.';

CREATE FUNCTION emsn.heard_stations()
RETURNS TABLE (station text, time_zone text, expected boolean, clock timestamp, today date, last_detection timestamptz)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN QUERY EXECUTE emsn.detections_sql('
        SELECT k.station,
               k.time_zone,
               k.expected,
               k.clock,
               k.today,
               {last}
        FROM emsn.known_stations() AS k');
END
$$;
COMMENT ON FUNCTION emsn.heard_stations() IS 'Known stations, each with its last detection up to now.';
