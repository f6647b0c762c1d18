-- Who is connected, and who sits idle inside a transaction. Source: pg_stat_activity, pg_locks. Client backends only:
-- background workers and replication have slots of their own.

CREATE FUNCTION emsn.sees_sessions() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN pg_has_role(current_user, 'pg_read_all_stats', 'USAGE');
END
$$;
COMMENT ON FUNCTION emsn.sees_sessions() IS 'Whether the caller sees what sessions of others do (pg_read_all_stats, part of pg_monitor).';

CREATE FUNCTION emsn.require_sessions_visible() RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT emsn.sees_sessions() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('sessions of others are not visible to role "%s"', current_user),
            HINT = 'GRANT pg_monitor to it.';
    END IF;
END
$$;
COMMENT ON FUNCTION emsn.require_sessions_visible() IS 'Error 42501 for a caller who would see an empty answer instead of the sessions.';

-- Without pg_read_all_stats the sessions of others look like no sessions: such counts are NULL.
CREATE VIEW emsn.connections AS
SELECT s.used,
       l.max_connections,
       l.reserved,
       -- greatest() alone would make 0 of NULL
       CASE WHEN s.used IS NOT NULL THEN greatest(l.max_connections - l.reserved - s.used, 0) END AS available,
       round(100.0 * s.used / l.max_connections, 1) AS used_percent,
       s.active,
       s.idle,
       s.idle_in_transaction
FROM (
    SELECT pg_catalog.current_setting('max_connections')::integer AS max_connections,
           pg_catalog.current_setting('superuser_reserved_connections')::integer
           -- since PostgreSQL 16
           + coalesce(pg_catalog.current_setting('reserved_connections', true)::integer, 0) AS reserved
) AS l
CROSS JOIN (
    -- count(*) would be 1 where the caller is a background worker and nobody is connected
    SELECT CASE WHEN v.visible THEN count(a.pid)::integer END AS used,
           CASE WHEN v.visible THEN count(*) FILTER (WHERE a.state = 'active')::integer END AS active,
           CASE WHEN v.visible THEN count(*) FILTER (WHERE a.state = 'idle')::integer END AS idle,
           CASE WHEN v.visible THEN count(*) FILTER (WHERE a.state LIKE 'idle in transaction%')::integer END
               AS idle_in_transaction
    FROM (SELECT emsn.sees_sessions() AS visible) AS v
    LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.backend_type = 'client backend'
    GROUP BY v.visible
) AS s;
COMMENT ON VIEW emsn.connections IS 'Connection slots of the server; what the caller may not see is NULL.';

CREATE FUNCTION emsn.connection_client_rows()
RETURNS TABLE (user_name text, application_name text, client_addr inet, database_name text,
               used bigint, active bigint, idle bigint, idle_in_transaction bigint)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM emsn.require_sessions_visible();
    RETURN QUERY
    SELECT a.usename::text,
           a.application_name,
           a.client_addr,
           a.datname::text,
           count(*),
           count(*) FILTER (WHERE a.state = 'active'),
           count(*) FILTER (WHERE a.state = 'idle'),
           count(*) FILTER (WHERE a.state LIKE 'idle in transaction%')
    FROM pg_stat_activity AS a
    WHERE a.backend_type = 'client backend'
    GROUP BY 1, 2, 3, 4;
END
$$;
COMMENT ON FUNCTION emsn.connection_client_rows() IS 'Rows of emsn.connection_clients; error 42501 when sessions are not visible.';

CREATE VIEW emsn.connection_clients AS
SELECT c.user_name,
       c.application_name,
       c.client_addr,
       c.database_name,
       c.used,
       c.active,
       c.idle,
       c.idle_in_transaction
FROM emsn.connection_client_rows() AS c
ORDER BY c.used DESC, c.user_name, c.application_name, c.client_addr, c.database_name;
COMMENT ON VIEW emsn.connection_clients IS 'Who holds the connection slots, the most first.';

CREATE FUNCTION emsn.idle_transaction_rows()
RETURNS TABLE (pid integer, user_name text, application_name text, client_addr inet, database_name text,
               transaction_seconds bigint, idle_seconds bigint, last_query text, locks_held bigint,
               blocks_pids integer[], xmin_age integer, backend_start timestamptz, began timestamptz)
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 5
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM emsn.require_sessions_visible();
    -- both look at every lock of the server, so once each, and not at all where no session is idle in a transaction
    RETURN QUERY
    WITH held AS MATERIALIZED (
        SELECT l.pid,
               count(*) AS locks
        FROM pg_locks AS l
        GROUP BY l.pid
    ), waiting AS MATERIALIZED (
        SELECT w.pid,
               pg_blocking_pids(w.pid) AS blocked_by
        FROM pg_stat_activity AS w
        WHERE w.wait_event_type = 'Lock'
    )
    SELECT a.pid,
           a.usename::text,
           a.application_name,
           a.client_addr,
           a.datname::text,
           greatest(extract(epoch FROM clock_timestamp() - b.began), 0)::bigint,
           greatest(extract(epoch FROM clock_timestamp() - a.state_change), 0)::bigint,
           a.query,
           coalesce((SELECT h.locks FROM held AS h WHERE h.pid = a.pid), 0),
           ARRAY(SELECT w.pid FROM waiting AS w WHERE a.pid = ANY (w.blocked_by) ORDER BY w.pid),
           age(a.backend_xmin),
           a.backend_start,
           b.began
    FROM pg_stat_activity AS a
    -- an aborted transaction has no xact_start any more
    CROSS JOIN LATERAL (SELECT coalesce(a.xact_start, a.state_change)) AS b (began)
    WHERE a.backend_type = 'client backend'
      AND a.state LIKE 'idle in transaction%'
    ORDER BY b.began, a.pid;
END
$$;
COMMENT ON FUNCTION emsn.idle_transaction_rows() IS 'Rows of emsn.idle_transactions and what tells one session from the next; error 42501 when sessions are not visible.';

CREATE VIEW emsn.idle_transactions AS
SELECT i.pid,
       i.user_name,
       i.application_name,
       i.client_addr,
       i.database_name,
       i.transaction_seconds,
       i.idle_seconds,
       i.last_query,
       i.locks_held,
       i.blocks_pids,
       i.xmin_age
FROM emsn.idle_transaction_rows() AS i
ORDER BY i.transaction_seconds DESC, i.pid;
COMMENT ON VIEW emsn.idle_transactions IS 'Sessions idle inside a transaction, the oldest first: since when, what they hold, whom they block.';
