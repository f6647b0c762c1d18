-- A table of detections whose partitions lie on other servers (docs/scaling.md): which servers those are, which stations
-- each has, and which of them answer. Queries over it name their stations and day borders as constants, for only those
-- travel; a server that does not answer is left out of them before they are planned.

-- Asked for in each answer: less than emsn.detections_parts, which reads the indexes too.
CREATE FUNCTION emsn.leaf_parts() RETURNS TABLE (part regclass)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT coalesce(p.relid, t.relid)
    FROM (SELECT to_regclass(s.value) AS relid FROM emsn.settings AS s WHERE s.name = 'detections') AS t
    LEFT JOIN LATERAL pg_partition_tree(t.relid) AS p ON true
    WHERE coalesce(p.isleaf, t.relid IS NOT NULL);
END
$$;
COMMENT ON FUNCTION emsn.leaf_parts() IS 'The table of detections, or the partitions that hold its rows.';

CREATE FUNCTION emsn.listed_stations(part oid) RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bounds CONSTANT text := (
        SELECT substring(pg_get_expr(c.relpartbound, c.oid) FROM '^FOR VALUES IN \((.*)\)$')
        FROM pg_class AS c
        JOIN pg_inherits AS i ON i.inhrelid = c.oid
        JOIN pg_partitioned_table AS t ON t.partrelid = i.inhparent AND t.partstrat = 'l' AND t.partnatts = 1
        JOIN pg_attribute AS a ON a.attrelid = t.partrelid AND a.attnum = t.partattrs[0] AND a.attname = 'station'
        WHERE c.oid = part);
    stations text[];
BEGIN
    IF bounds IS NOT NULL THEN
        -- literals as the server itself writes them
        EXECUTE format('SELECT array_remove(ARRAY[%s]::text[], NULL)', bounds) INTO stations;
    END IF;
    RETURN stations;
END
$$;
COMMENT ON FUNCTION emsn.listed_stations(oid) IS 'The stations of a partition by its bounds; NULL: the default one, or the table is not partitioned by list of station.';

-- Foreign parts of the table of detections.
CREATE FUNCTION emsn.remote_parts()
RETURNS TABLE (part regclass, server name, stations text[])
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT p.part, s.srvname, emsn.listed_stations(p.part)
    FROM emsn.leaf_parts() AS p
    JOIN pg_foreign_table AS f ON f.ftrelid = p.part
    JOIN pg_foreign_server AS s ON s.oid = f.ftserver
    ORDER BY s.srvname, p.part::text;
END
$$;
COMMENT ON FUNCTION emsn.remote_parts() IS 'Parts of the table of detections on other servers, and the stations that each has by its bounds.';

CREATE FUNCTION emsn.is_remote() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM emsn.leaf_parts() AS p JOIN pg_foreign_table AS f ON f.ftrelid = p.part);
END
$$;
COMMENT ON FUNCTION emsn.is_remote() IS 'Whether any of the detections lie on another server.';

-- Each server is asked for a row of the last days that it has not, through the table itself, for which the reader has the
-- right: where those are locked there is no answer either. Once a
-- statement: waiting for a dead server takes as long as its connect_timeout. reason: why it does not answer; NULL: it does.
CREATE FUNCTION emsn.remote_servers()
RETURNS TABLE (server name, stations text[], reason text, milliseconds numeric)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 3
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
SET jit = off
AS $$
DECLARE
    known CONSTANT text := 'emsn.remote_servers';
    moment CONSTANT text := format('%s %s', pg_backend_pid(), extract(epoch FROM statement_timestamp()));
    said jsonb := nullif(current_setting(known, true), '')::jsonb;
    is_new CONSTANT boolean := said ->> 'moment' IS DISTINCT FROM moment;
    begun timestamptz;
    detail text;
BEGIN
    IF is_new THEN
        said := jsonb_build_object('moment', moment);
    END IF;
    FOR server, stations IN
        SELECT p.server, array_agg(s ORDER BY s)
        FROM emsn.remote_parts() AS p
        CROSS JOIN unnest(p.stations) AS s
        GROUP BY p.server
        ORDER BY p.server
    LOOP
        IF is_new THEN
            reason := NULL;
            begun := clock_timestamp();
            BEGIN
                EXECUTE emsn.bulk_sql(format(
                    'SELECT FROM {detections} AS d WHERE d.station = %L AND d.detection_timestamp > %L AND d.species = ''''',
                    stations[1], statement_timestamp() - interval '15 days'));
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
                reason := regexp_replace(concat_ws(': ', SQLERRM, nullif(detail, '')), '\s*\n\s*', ' ', 'g');
            END;
            said := said || jsonb_build_object(server, jsonb_build_object(
                'reason', reason,
                'milliseconds', round(extract(epoch FROM clock_timestamp() - begun) * 1000, 1)));
        END IF;
        reason := said -> server::text ->> 'reason';
        milliseconds := said -> server::text ->> 'milliseconds';
        RETURN NEXT;
    END LOOP;
    IF is_new THEN
        PERFORM set_config(known, said::text, true);
    END IF;
END
$$;
COMMENT ON FUNCTION emsn.remote_servers() IS 'Servers that hold partitions of the table of detections by station: which stations, whether they answer, and how fast.';

-- Where a server keeps an emsn of its own, a foreign table of that one's emsn.health makes its answer part of this one. Of
-- whoever may do what a reader may anyway: its columns may be of types that run code.
CREATE FUNCTION emsn.remote_health_tables() RETURNS TABLE (server name, health regclass)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT s.srvname, min(f.ftrelid)::regclass
    FROM pg_foreign_table AS f
    JOIN pg_foreign_server AS s ON s.oid = f.ftserver
    JOIN pg_class AS c ON c.oid = f.ftrelid
    JOIN pg_roles AS o ON o.oid = c.relowner
        AND (o.rolsuper OR o.oid = (SELECT e.extowner FROM pg_extension AS e WHERE e.extname = 'emsn_health'))
    WHERE f.ftoptions @> ARRAY['schema_name=emsn', 'table_name=health']
    GROUP BY s.srvname;
END
$$;
COMMENT ON FUNCTION emsn.remote_health_tables() IS 'Foreign tables that show emsn.health of other servers.';
