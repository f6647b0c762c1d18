-- Where publishing writes: the table of detections, whatever columns it has. Values take its very column types, by
-- assignment, as its owner.

-- In C (table_owner.cpp). The statement's parts are quoted by format(); search_path is what triggers of the table see.
CREATE FUNCTION emsn.execute_as_owner(relation oid, search_path text, statement text) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'emsn_health', 'emsn_health_execute_as_owner';
COMMENT ON FUNCTION emsn.execute_as_owner(oid, text, text) IS 'Runs a statement as the owner of a table, in a security-restricted operation; returns the number of rows changed, or the bigint that it selects.';

-- Parts of statements over the table. i: a row of emsn_incoming; n: a row of the table or of a copy of it.
--   station      literal                        zone         local time to the type of detection_timestamp, and back
--   columns, sources, copied, assignments       the columns that are written: names; over i; over n; for UPDATE, over s
--   compared     values over n: equal ones are the same detection. The empty file name is none. compared_but_file: without
--   stamp        local day and time over n: the station's own where the table keeps them, for a change of its time zone
--                leaves those as they are
--   file         file name over n, NULL without one
--   is_remote    parts of the table lie on other servers: values that choose rows must be constants, or all rows travel
--   live         whether n counts               set_live, set_deleted     NULL: the table cannot say "deleted"
CREATE TYPE emsn.publish_target AS (
    relation oid,
    name text,
    owner name,
    search_path text,
    station text,
    zone text,
    columns text,
    sources text,
    copied text,
    assignments text,
    compared text,
    compared_but_file text,
    stamp text,
    file text,
    live text,
    set_live text,
    set_deleted text,
    keeps_clock boolean,
    is_remote boolean
);
COMMENT ON TYPE emsn.publish_target IS 'For publishing: the table of detections and how its columns are filled and read.';

CREATE FUNCTION emsn.find_publish_target() RETURNS emsn.publish_target
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    named CONSTANT text := (SELECT s.value FROM emsn.settings AS s WHERE s.name = 'detections');
    kind "char";
    found emsn.publish_target;
BEGIN
    IF named IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'no table of detections is named yet',
            HINT = 'As the owner of the extension: SELECT emsn.use_detections(''schema.table''); or emsn.create_detections.';
    END IF;
    SELECT c.oid, c.oid::regclass::text, pg_get_userbyid(c.relowner), c.relkind
    INTO found.relation, found.name, found.owner, kind
    FROM pg_class AS c
    WHERE c.oid = to_regclass(named);
    IF found.relation IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_table',
            MESSAGE = format('the table of detections %s is not there', named);
    END IF;
    IF kind NOT IN ('r', 'p') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'wrong_object_type',
            MESSAGE = format('%s is no table that can be published into', named),
            HINT = 'Views and foreign tables are read only here: name the table behind it.';
    END IF;
    RETURN found;
END
$$;
COMMENT ON FUNCTION emsn.find_publish_target() IS 'The table of detections if it can be published into; errors 55000 (none named), 42P01 (not there), 42809 (no table).';

-- What triggers of the table find without a schema: what lies beside it, unless the publisher could put something there
-- for the table's owner to run.
CREATE FUNCTION emsn.publish_search_path(relation oid) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT CASE WHEN pg_has_role(session_user, c.relowner, 'MEMBER')
                             OR NOT has_schema_privilege(session_user, c.relnamespace, 'CREATE')
                        THEN format('pg_catalog, %s, pg_temp', c.relnamespace::regnamespace)
                        ELSE 'pg_catalog, pg_temp' END
            FROM pg_class AS c
            WHERE c.oid = relation);
END
$$;
COMMENT ON FUNCTION emsn.publish_search_path(oid) IS 'search_path for statements that fire triggers of the table.';

-- Of a table that is partitioned by station: rows that no partition takes would all be rejected one by one.
CREATE FUNCTION emsn.require_place(relation oid, station text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT
                   FROM pg_partitioned_table AS p
                   JOIN pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0] AND a.attname = 'station'
                   WHERE p.partrelid = relation AND p.partstrat = 'l' AND p.partnatts = 1 AND p.partdefid = 0)
       OR EXISTS (SELECT
                  FROM pg_inherits AS i
                  WHERE i.inhparent = relation AND station = ANY (emsn.listed_stations(i.inhrelid))) THEN
        RETURN;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'object_not_in_prerequisite_state',
        MESSAGE = format('%s has no partition for station "%s"', relation::regclass, station),
        HINT = 'Add one, on a coordinator with sql/scale_out.sql.';
END
$$;
COMMENT ON FUNCTION emsn.require_place(oid, text) IS 'Error 55000 when a table that is partitioned by station has no partition for one.';

-- Generated and identity columns write themselves, and what the table lacks is left out. From here to the end of the
-- transaction the table is locked: its name, its owner and its columns stay what they are.
CREATE FUNCTION emsn.describe_publish_target(station text, time_zone text) RETURNS emsn.publish_target
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    t emsn.publish_target := emsn.find_publish_target();
    unlocked CONSTANT oid := t.relation;
    found text[];
    settable text[];
    is_local boolean;
    deleted_at text;
BEGIN
    PERFORM emsn.execute_as_owner(unlocked, 'pg_catalog, pg_temp', 'SELECT 0::bigint');
    t := emsn.find_publish_target();
    IF t.relation <> unlocked THEN
        RAISE EXCEPTION USING
            ERRCODE = 'serialization_failure',
            MESSAGE = format('%s was just replaced', t.name),
            HINT = 'Publish again.';
    END IF;
    PERFORM emsn.require_place(t.relation, station);
    t.search_path := emsn.publish_search_path(t.relation);
    t.station := quote_literal(station);
    SELECT array_agg(a.attname::text),
           array_agg(a.attname::text) FILTER (WHERE a.attgenerated = '' AND a.attidentity = ''
                                              AND (left(a.attname, 12) <> 'detected_by_' OR a.atttypid = 'boolean'::regtype)),
           bool_or(a.atttypid = 'timestamp'::regtype) FILTER (WHERE a.attname = 'detection_timestamp'),
           count(*) FILTER (WHERE a.attgenerated = ''
                              AND (a.attname, a.atttypid) IN (('date', 'date'::regtype), ('time', 'time'::regtype))) = 2,
           max(CASE WHEN a.atttypid = 'timestamp'::regtype THEN format('now() AT TIME ZONE %L', time_zone)
                    ELSE 'now()' END) FILTER (WHERE a.attname = 'deleted_at')
    INTO found, settable, is_local, t.keeps_clock, deleted_at
    FROM pg_attribute AS a
    WHERE a.attrelid = t.relation AND a.attnum > 0 AND NOT a.attisdropped;
    IF is_local IS NULL OR NOT settable @> '{species}' OR NOT (settable @> '{detection_timestamp}' OR t.keeps_clock) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_column',
            MESSAGE = format('%s has no columns detection_timestamp and species that can be written', t.name);
    END IF;
    t.zone := CASE WHEN is_local THEN '' ELSE format('AT TIME ZONE %L', time_zone) END;
    SELECT string_agg(quote_ident(k.name), ', ' ORDER BY k.ordinal),
           string_agg(k.source, ', ' ORDER BY k.ordinal),
           string_agg('n.' || quote_ident(k.name), ', ' ORDER BY k.ordinal),
           string_agg(format('%1$I = s.%1$I', k.name), ', ' ORDER BY k.ordinal),
           string_agg(CASE WHEN k.name = 'file_name' THEN 'nullif(n.file_name::text, '''')'
                           ELSE 'n.' || quote_ident(k.name) END, ', ' ORDER BY k.ordinal),
           string_agg('n.' || quote_ident(k.name), ', ' ORDER BY k.ordinal) FILTER (WHERE k.name <> 'file_name')
    INTO t.columns, t.sources, t.copied, t.assignments, t.compared, t.compared_but_file
    FROM (VALUES (1, 'detection_timestamp', format('(i.day + i."time") %s', t.zone)), (2, 'date', 'i.day'),
                 (3, 'time', 'i."time"'), (4, 'species', 'i.species'), (5, 'common_name', 'i.common_name'),
                 (6, 'confidence', 'i.confidence'), (7, 'latitude', 'i.latitude'), (8, 'longitude', 'i.longitude'),
                 (9, 'cutoff', 'i.cutoff'), (10, 'week', 'i.week'), (11, 'sensitivity', 'i.sensitivity'),
                 (12, 'overlap', 'i.overlap'), (13, 'file_name', 'i.file_name'),
                 (14, 'detected_by_' || station, 'true')) AS k (ordinal, name, source)
    WHERE k.name = ANY (settable);
    t.stamp := format('coalesce(%s)',
                      concat_ws(', ', CASE WHEN t.keeps_clock THEN 'n.date + n."time"' END,
                                CASE WHEN settable @> '{detection_timestamp}' THEN 'n.detection_timestamp ' || t.zone END));
    t.file := CASE WHEN settable @> '{file_name}' THEN 'nullif(n.file_name::text, '''')' ELSE 'NULL::text' END;
    t.is_remote := emsn.is_remote();
    t.live := CASE WHEN NOT found @> '{deleted}' THEN 'true'
                   WHEN t.is_remote THEN 'n.deleted IS DISTINCT FROM true' ELSE 'n.deleted IS NOT TRUE' END;
    -- a generated column deleted follows what is written into deleted_at
    IF settable @> '{deleted}' OR (found @> '{deleted}' AND settable @> '{deleted_at}') THEN
        t.set_live := concat_ws(', ', CASE WHEN settable @> '{deleted}' THEN 'deleted = false' END,
                                CASE WHEN settable @> '{deleted_at}' THEN 'deleted_at = NULL' END);
        t.set_deleted := concat_ws(', ', CASE WHEN settable @> '{deleted}' THEN 'deleted = true' END,
                                   CASE WHEN settable @> '{deleted_at}' THEN 'deleted_at = ' || deleted_at END);
    END IF;
    IF settable @> '{deleted}' THEN -- when a row is inserted: the column may have no default
        t.columns := t.columns || ', deleted';
        t.sources := t.sources || ', false';
        t.copied := t.copied || ', n.deleted';
    END IF;
    RETURN t;
END
$$;
COMMENT ON FUNCTION emsn.describe_publish_target(text, text) IS 'The table of detections, with the parts of statements that publish one station into it.';
