-- The table of detections: named by the user, or made here. Neither it nor the extension depends on the other.

CREATE FUNCTION emsn.require_primary(operation text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'read_only_sql_transaction',
            MESSAGE = format('%s: this server is a standby and takes no changes', operation),
            HINT = 'Do it on the primary; the standby follows.';
    END IF;
END
$$;
COMMENT ON FUNCTION emsn.require_primary(text) IS 'Error 25006 on a standby.';

CREATE FUNCTION emsn.use_detections(detections regclass) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shown text;
    kind "char";
    persistence "char";
    wrong text;
BEGIN
    IF detections IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'use_detections: no table is given';
    END IF;
    PERFORM emsn.require_primary('use_detections');
    SELECT format('%I.%I', n.nspname, c.relname), c.relkind, c.relpersistence
    INTO shown, kind, persistence
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = detections;
    IF shown IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_table',
            MESSAGE = format('use_detections: there is no table with OID %s', detections::oid);
    END IF;
    IF kind NOT IN ('r', 'p', 'f', 'v', 'm') OR persistence = 't' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'wrong_object_type',
            MESSAGE = format('use_detections: %s is not a table or view that other sessions see', shown);
    END IF;
    SELECT string_agg(format('%s (%s)', w.name, w.wanted), ', ' ORDER BY w.ordinal)
    INTO wrong
    FROM (VALUES (1, 'station', 'text'), (2, 'detection_timestamp', 'timestamptz or timestamp'),
                 (3, 'species', 'text'), (4, 'common_name', 'text'), (5, 'confidence', 'a number'))
        AS w (ordinal, name, wanted)
    WHERE NOT EXISTS (SELECT FROM pg_attribute AS a
                      WHERE a.attrelid = detections AND a.attname = w.name AND NOT a.attisdropped
                        AND a.attnum > 0);
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_column',
            MESSAGE = format('use_detections: %s lacks %s', shown, wrong);
    END IF;
    SELECT string_agg(format('%s is %s, not %s', a.attname, format_type(a.atttypid, a.atttypmod), w.wanted), '; '
                      ORDER BY a.attnum)
    INTO wrong
    FROM (VALUES ('station', 'text', 'S'), ('detection_timestamp', 'timestamptz or timestamp', 'D'),
                 ('species', 'text', 'S'), ('common_name', 'text', 'S'), ('confidence', 'a number', 'N'),
                 ('deleted', 'boolean', 'B')) AS w (name, wanted, category)
    JOIN pg_attribute AS a ON a.attrelid = detections AND a.attname = w.name AND NOT a.attisdropped AND a.attnum > 0
    JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE t.typcategory <> w.category
       OR (w.category = 'D' AND a.atttypid NOT IN ('timestamptz'::regtype, 'timestamp'::regtype));
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'datatype_mismatch',
            MESSAGE = format('use_detections: %s: %s', shown, wrong);
    END IF;
    INSERT INTO emsn.settings AS s (name, value)
    VALUES ('detections', shown)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value;
    RETURN shown;
END
$$;
COMMENT ON FUNCTION emsn.use_detections(regclass) IS 'Names the table or view of detections that all views read; returns its qualified name.';

-- name || suffix within the 63 bytes of an identifier.
CREATE FUNCTION emsn.suffixed(name text, suffix text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT left(name, max(n)) || suffix
    FROM generate_series(0, length(name)) AS n
    WHERE octet_length(left(name, n) || suffix) <= 63
$$;
COMMENT ON FUNCTION emsn.suffixed(text, text) IS 'Identifier made of a name, cut where needed, and a suffix.';

-- Also of the table of a coordinator (sql/scale_out.sql), whose servers number their own rows.
CREATE FUNCTION emsn.detections_columns() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT '
        station text NOT NULL,
        detection_timestamp timestamptz NOT NULL,
        date date,
        time time,
        species text NOT NULL,
        common_name text,
        confidence double precision,
        latitude double precision,
        longitude double precision,
        cutoff double precision,
        week integer,
        sensitivity double precision,
        overlap double precision,
        file_name text,
        detected_by_zolder boolean,
        detected_by_berging boolean,
        deleted boolean NOT NULL DEFAULT false,
        deleted_at timestamptz'
$$;
COMMENT ON FUNCTION emsn.detections_columns() IS 'The columns of a table of detections but its id, for CREATE TABLE.';

-- An abbreviation such as IST, which a session may write times with, means another zone when it is read.
CREATE FUNCTION emsn.create_detections_in(name text, partition_by text, default_schema name) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
DECLARE
    -- enough to load a year of history and to look away for a year; the default partition takes the rest
    months CONSTANT integer := 12;
    parts text[];
    in_schema text;
    base text;
    key text;
    clause text;
    month timestamp;
BEGIN
    IF name IS NULL OR partition_by IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'create_detections: neither name nor partition_by may be NULL';
    END IF;
    PERFORM emsn.require_primary('create_detections');
    CASE partition_by
        WHEN 'none' THEN key := 'id'; clause := '';
        WHEN 'month' THEN key := 'id, detection_timestamp'; clause := ' PARTITION BY RANGE (detection_timestamp)';
        WHEN 'station' THEN key := 'id, station'; clause := ' PARTITION BY LIST (station)';
        ELSE
            RAISE EXCEPTION USING
                ERRCODE = 'invalid_parameter_value',
                MESSAGE = format('create_detections: partition_by must be none, month or station, not "%s"', partition_by);
    END CASE;
    parts := parse_ident(name);
    IF cardinality(parts) > 2 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_name',
            MESSAGE = format('create_detections: "%s" is not a table name or schema.table', name);
    END IF;
    base := parts[cardinality(parts)];
    in_schema := CASE cardinality(parts) WHEN 2 THEN parts[1] ELSE default_schema END;
    IF in_schema IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_schema',
            MESSAGE = 'create_detections: no schema of search_path is there to create the table in';
    END IF;
    -- a longer name would be cut silently, and then not be found again
    IF octet_length(base) > 63 OR octet_length(in_schema) > 63 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'name_too_long',
            MESSAGE = format('create_detections: "%s" is longer than 63 bytes', name);
    END IF;
    EXECUTE format(
        'CREATE TABLE %I.%I (
             id bigint GENERATED BY DEFAULT AS IDENTITY,
             %s,
             PRIMARY KEY (%s)
         )%s', in_schema, base, emsn.detections_columns(), key, clause);
    -- species and deleted ride along: a day is counted from the index alone
    EXECUTE format('CREATE INDEX ON %I.%I (station, detection_timestamp) INCLUDE (species, deleted)', in_schema, base);
    EXECUTE format('CREATE INDEX ON %I.%I (species, detection_timestamp)', in_schema, base);
    IF partition_by <> 'none' THEN
        EXECUTE format('CREATE TABLE %I.%I PARTITION OF %I.%I DEFAULT',
                       in_schema, emsn.suffixed(base, '_default'), in_schema, base);
    END IF;
    IF partition_by = 'month' THEN
        FOR month IN
            SELECT date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => n)
            FROM generate_series(-months, months) AS n
        LOOP
            EXECUTE format('CREATE TABLE %I.%I PARTITION OF %I.%I FOR VALUES FROM (%L) TO (%L)',
                           in_schema, emsn.suffixed(base, to_char(month, '_YYYY_MM')), in_schema, base,
                           month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
        END LOOP;
    END IF;
    PERFORM emsn.track_changes_of(format('%I.%I', in_schema, base)::regclass);
    RETURN emsn.use_detections(format('%I.%I', in_schema, base)::regclass);
END
$$;
COMMENT ON FUNCTION emsn.create_detections_in(text, text, name) IS 'emsn.create_detections with the schema for a name that has none.';

-- Bound when created: no search_path of the caller reaches it, and yet it sees which one the caller has.
CREATE FUNCTION emsn.create_detections(name text, partition_by text DEFAULT 'none') RETURNS text
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
    SELECT emsn.create_detections_in(create_detections.name, create_detections.partition_by, pg_catalog.current_schema());
END;
COMMENT ON FUNCTION emsn.create_detections(text, text) IS 'Creates a table of detections, whole (none) or partitioned by month or station, with keys and indexes, and uses it; returns its qualified name.';
