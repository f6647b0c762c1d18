\echo Use "CREATE EXTENSION emsn_health" to load this file. \quit

-- A schema made beforehand by somebody else could hold objects that this script, running as a superuser, would call.
DO $$
BEGIN
    IF (SELECT NOT r.rolsuper
        FROM pg_catalog.pg_namespace AS n
        JOIN pg_catalog.pg_roles AS r ON r.oid = n.nspowner
        WHERE n.nspname = 'emsn') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = 'schema "emsn" exists already and belongs to a role that is not a superuser',
            HINT = 'Drop or rename it, or ALTER SCHEMA emsn OWNER TO a superuser after looking into it.';
    END IF;
END
$$;
