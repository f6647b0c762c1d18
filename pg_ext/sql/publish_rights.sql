-- Who may publish what. The functions for publishers are SECURITY DEFINER: a publisher has no right on any table, and
-- each of them asks here first.

CREATE FUNCTION emsn.publisher_functions() RETURNS SETOF regprocedure
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    VALUES ('emsn.publish_state(text)'::regprocedure),
           ('emsn.publish_days(text)'::regprocedure),
           ('emsn.publish_live_rows(text)'::regprocedure),
           ('emsn.publish_unchanged(text)'::regprocedure),
           ('emsn.publish_begin(text, text)'::regprocedure),
           ('emsn.publish_apply(text, text, jsonb, bigint, jsonb, jsonb)'::regprocedure),
           ('emsn.store_host_report(text, jsonb)'::regprocedure);
END
$$;
COMMENT ON FUNCTION emsn.publisher_functions() IS 'What a publisher may call.';

-- session_user: inside a SECURITY DEFINER function it is who connected, whatever SET ROLE or a caller in between say.
CREATE FUNCTION emsn.require_publisher(station text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF station IS NULL OR station = '' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'no station is given';
    END IF;
    IF session_user <> current_user
       AND NOT EXISTS (SELECT
                       FROM pg_roles AS r
                       WHERE r.rolname = session_user AND r.rolsuper)
       AND NOT EXISTS (SELECT
                       FROM emsn.publishers AS p
                       JOIN pg_roles AS r ON r.rolname = p.role_name
                       WHERE p.station = require_publisher.station
                         AND pg_has_role(session_user, r.oid, 'MEMBER')) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('role "%s" may not publish station "%s"', session_user, station),
            HINT = format('As the owner of the extension: SELECT emsn.allow_publisher(%L, %L);', session_user, station);
    END IF;
END
$$;
COMMENT ON FUNCTION emsn.require_publisher(text) IS 'Error 42501 when the session user may not publish the station.';

CREATE FUNCTION emsn.allow_publisher(role_name name, station text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    allowed regprocedure;
BEGIN
    PERFORM emsn.require_primary('allow_publisher');
    -- before the row is written: an unknown role is an error here
    EXECUTE format('GRANT USAGE ON SCHEMA emsn TO %I', role_name);
    FOR allowed IN SELECT f FROM emsn.publisher_functions() AS f LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', allowed, role_name);
    END LOOP;
    INSERT INTO emsn.publishers AS p (role_name, station)
    VALUES (allow_publisher.role_name, allow_publisher.station)
    ON CONFLICT DO NOTHING;
END
$$;
COMMENT ON FUNCTION emsn.allow_publisher(name, text) IS 'Lets a role publish a station, and grants it what that needs in schema emsn.';

CREATE FUNCTION emsn.deny_publisher(role_name name, station text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    denied regprocedure;
BEGIN
    PERFORM emsn.require_primary('deny_publisher');
    DELETE FROM emsn.publishers AS p
    WHERE p.role_name = deny_publisher.role_name AND p.station = deny_publisher.station;
    -- with its last station go the grants, which would hold up DROP ROLE
    IF EXISTS (SELECT FROM emsn.publishers AS p WHERE p.role_name = deny_publisher.role_name)
       OR NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = deny_publisher.role_name) THEN
        RETURN;
    END IF;
    FOR denied IN SELECT f FROM emsn.publisher_functions() AS f LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM %I', denied, role_name);
    END LOOP;
    EXECUTE format('REVOKE USAGE ON SCHEMA emsn FROM %I', role_name);
END
$$;
COMMENT ON FUNCTION emsn.deny_publisher(name, text) IS 'Takes a station from a role; with the last one, what allow_publisher granted.';
