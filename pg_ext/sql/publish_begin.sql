-- The beginning of a publication: who, what and where are settled, and a table for the rows is there.

-- What this transaction publishes stands in the comment of the table, which only its owner can write: the owner of this
-- function.
CREATE FUNCTION emsn.publish_begin(station text, time_zone text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM emsn.require_publisher(station);
    PERFORM emsn.require_primary('publish_begin');
    IF time_zone IS NULL OR NOT emsn.is_time_zone(time_zone) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('publish_begin: there is no time zone "%s"', time_zone);
    END IF;
    PERFORM emsn.find_publish_target();
    IF NOT pg_try_advisory_xact_lock(hashtextextended('emsn publishes ' || station, 0)) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'lock_not_available',
            MESSAGE = format('another publisher of station "%s" is at work', station);
    END IF;
    -- no IF NOT EXISTS: what somebody else has made under this name is an error, not a place to write into
    CREATE TEMPORARY TABLE pg_temp.emsn_incoming (
        source_row bigint,
        day date,
        "time" time,
        species text,
        common_name text,
        confidence double precision,
        latitude double precision,
        longitude double precision,
        cutoff double precision,
        week integer,
        sensitivity double precision,
        overlap double precision,
        file_name text,
        reason text,
        raw text
    ) ON COMMIT DROP;
    EXECUTE format('COMMENT ON TABLE pg_temp.emsn_incoming IS %L',
                   jsonb_build_object('station', station, 'time_zone', time_zone));
    EXECUTE format('GRANT INSERT ON pg_temp.emsn_incoming TO %I', session_user);
END
$$;
COMMENT ON FUNCTION emsn.publish_begin(text, text) IS 'Inside a transaction: makes pg_temp.emsn_incoming for the rows of a station; errors 42501, 25006, 22023, 55000, 42P01, 42809, 55P03 (another one is at work).';

-- The time zone that publish_begin was given. A table that is not its work is never read, let alone written.
CREATE FUNCTION emsn.require_publish_begun(station text, OUT incoming oid, OUT time_zone text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    begun jsonb;
BEGIN
    SELECT c.oid, obj_description(c.oid, 'pg_class')::jsonb
    INTO incoming, begun
    FROM pg_class AS c
    JOIN pg_roles AS r ON r.oid = c.relowner
    WHERE c.relnamespace = pg_my_temp_schema() AND c.relname = 'emsn_incoming' AND c.relkind = 'r'
      AND r.rolname = current_user;
    time_zone := begun ->> 'time_zone';
    IF begun ->> 'station' IS DISTINCT FROM station THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('publish_apply: publish_begin was not called for station "%s" in this transaction', station);
    END IF;
END
$$;
COMMENT ON FUNCTION emsn.require_publish_begun(text) IS 'The table of publish_begin and the time zone that it was given; error 55000 without one.';
