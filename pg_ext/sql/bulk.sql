-- What the stations heard, for many of them and for those on other servers: one query for all stations of a time zone
-- instead of one look each. postgres_fdw sends such a query whole to each server, filter and aggregate
-- (enable_partitionwise_aggregate). It sends neither functions of a time zone nor joins with what is here, so borders come as
-- constants, and days are told apart by width_bucket or date_bin.

-- From here on one pass for all stations costs less than one look for each. Asked in every answer, so only those count that
-- are written down somewhere: in the registry, as publishers, or by emsn.learn_habits.
CREATE FUNCTION emsn.has_many_stations() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    many CONSTANT integer := 50;
BEGIN
    RETURN (SELECT count(*) FROM (SELECT FROM emsn.sync_state LIMIT many) AS n) = many
        OR (SELECT count(*) FROM (SELECT FROM emsn.station_settings LIMIT many) AS n) = many
        OR (SELECT count(*) FROM (SELECT FROM emsn.station_habits LIMIT many) AS n) = many;
END
$$;
COMMENT ON FUNCTION emsn.has_many_stations() IS 'Whether 50 stations or more are registered, have published, or were learned about.';

CREATE FUNCTION emsn.in_bulk() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN emsn.is_remote() OR emsn.has_many_stations();
END
$$;
COMMENT ON FUNCTION emsn.in_bulk() IS 'Whether the stations are asked about all at once: there are many, or they are on other servers.';

-- {live} on other servers: in a form that postgres_fdw sends. The rest as emsn.detections_sql.
CREATE FUNCTION emsn.bulk_sql(query text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT emsn.is_remote() THEN
        RETURN emsn.detections_sql(query);
    END IF;
    RETURN emsn.detections_sql(replace(
        query, '{live}',
        CASE WHEN EXISTS (SELECT
                          FROM emsn.settings AS s
                          JOIN pg_attribute AS a ON a.attrelid = to_regclass(s.value)
                          WHERE s.name = 'detections' AND a.attname = 'deleted' AND NOT a.attisdropped)
             THEN 'd.deleted IS DISTINCT FROM true' ELSE 'true' END));
END
$$;
COMMENT ON FUNCTION emsn.bulk_sql(text) IS 'Query over the table of detections for all stations at once, ready to execute.';

-- The planner, who knows little of tables on other servers, expects few rows from there, or as many groups as rows, and may
-- then rather fetch them all. Until the calling function ends, which has a SET of both, grouping here looks dear.
CREATE FUNCTION emsn.prefer_groups_elsewhere() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF emsn.is_remote() THEN
        PERFORM set_config('enable_hashagg', 'off', true), set_config('enable_sort', 'off', true);
    END IF;
END
$$;
COMMENT ON FUNCTION emsn.prefer_groups_elsewhere() IS 'Until the calling function ends: rows are grouped on the server where they lie.';

-- Known stations, those of one time zone together: they share their day borders. Without those whose server does not
-- answer. is_local: the times are those of a column of type timestamp.
CREATE FUNCTION emsn.bulk_zones(OUT time_zone text, OUT clock timestamp, OUT today date, OUT stations text[])
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT k.time_zone, k.clock, k.today, array_agg(k.station ORDER BY k.station)
    FROM emsn.known_stations() AS k
    WHERE k.station <> ALL (ARRAY(SELECT unnest(s.stations) FROM emsn.remote_servers() AS s WHERE s.reason IS NOT NULL))
    GROUP BY k.time_zone, k.clock, k.today
    ORDER BY k.time_zone;
END
$$;
COMMENT ON FUNCTION emsn.bulk_zones() IS 'Known stations that can be asked about, by time zone.';

-- Local times of a zone as literals of the column's type.
CREATE FUNCTION emsn.border_literals(local_times timestamp[], time_zone text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
BEGIN
    -- {zone} is nothing where the column holds local time
    IF emsn.detections_sql('{zone}') = '' THEN
        RETURN format('%L::timestamp[]', local_times);
    END IF;
    -- of a midnight that comes twice, the first: AT TIME ZONE takes the second
    RETURN format('%L::timestamptz[]', ARRAY(
        SELECT CASE WHEN t = date_trunc('day', t) AND (m.second - interval '1 hour') AT TIME ZONE border_literals.time_zone = t
                    THEN m.second - interval '1 hour' ELSE m.second END
        FROM unnest(local_times) WITH ORDINALITY AS u (t, n)
        CROSS JOIN LATERAL (SELECT t AT TIME ZONE border_literals.time_zone AS second) AS m
        ORDER BY n));
END
$$;
COMMENT ON FUNCTION emsn.border_literals(timestamp[], text) IS 'Array constant of local times, in the type of the column detection_timestamp.';
