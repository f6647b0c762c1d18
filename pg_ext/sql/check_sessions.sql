-- Checks of who is connected, who sits idle, who waits, and since when.

CREATE FUNCTION emsn.check_connections() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    c record;
    result emsn.health_row;
    remedy CONSTANT text := 'See who holds them: SELECT * FROM emsn.connection_clients; and who does nothing with them: SELECT * FROM emsn.idle_transactions;';
BEGIN
    PERFORM emsn.require_sessions_visible();
    SELECT n.used, n.max_connections, n.reserved, n.available
    INTO c
    FROM emsn.connections AS n;
    result := emsn.judge(
        'connections', 'server', c.used, 'connections', c.max_connections - c.reserved, false, '80%', '90%',
        format('%s of %s connections used, %s available (%s reserved)', c.used, c.max_connections, c.available, c.reserved),
        remedy);
    IF c.available = 0 THEN
        result.status := 'critical';
        result.remedy := remedy;
    END IF;
    RETURN NEXT result;
END
$$;
COMMENT ON FUNCTION emsn.check_connections() IS 'Connection slots used; limits in % and - refer to the slots that are not reserved.';

CREATE FUNCTION emsn.check_idle_in_transaction() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    warning CONSTANT text := '300';
    critical CONSTANT text := '900';
    sessions bigint := 0;
    oldest record;
    oldest_seconds bigint := 0;
    i record;
    message text := 'no session is idle in a transaction';
    limit_seconds text;
BEGIN
    FOR i IN
        SELECT t.pid, t.user_name, t.application_name, t.transaction_seconds, t.blocks_pids
        FROM emsn.idle_transaction_rows() AS t
        ORDER BY t.transaction_seconds DESC, t.pid
    LOOP
        IF sessions = 0 THEN
            oldest := i;
            oldest_seconds := i.transaction_seconds;
        END IF;
        sessions := sessions + 1;
    END LOOP;
    IF sessions > 0 THEN
        message := format('pid %s (user %s, application %s) is idle in a transaction for %s s%s%s',
                          oldest.pid, oldest.user_name, coalesce(nullif(oldest.application_name, ''), '-'),
                          oldest.transaction_seconds,
                          ', blocks pid ' || nullif(array_to_string(oldest.blocks_pids, ', '), ''),
                          CASE WHEN sessions > 1 THEN format('; %s more', sessions - 1) END);
    END IF;
    SELECT l.warning_at
    INTO limit_seconds
    FROM emsn.limits('idle_in_transaction', 'server', warning, critical) AS l;
    RETURN NEXT emsn.judge(
        'idle_in_transaction', 'server', oldest_seconds, 'seconds', NULL, false, warning, critical,
        message,
        format('SELECT * FROM emsn.terminate_idle_transactions(%L, dry_run => false);', limit_seconds || ' seconds'));
END
$$;
COMMENT ON FUNCTION emsn.check_idle_in_transaction() IS 'Age of the oldest transaction in which a session sits idle.';

CREATE FUNCTION emsn.check_blocked_sessions() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    sessions bigint := 0;
    seconds bigint := 0;
    longest record;
    w record;
    blockers text;
    message text := 'no session waits for a lock';
    remedy text;
BEGIN
    PERFORM emsn.require_sessions_visible();
    -- the locks are read only when somebody waits
    FOR w IN
        SELECT a.pid, a.usename, a.application_name,
               greatest(extract(epoch FROM clock_timestamp() - l.since), 0)::bigint AS seconds
        FROM pg_stat_activity AS a
        CROSS JOIN LATERAL (SELECT min(p.waitstart) AS since FROM pg_locks AS p WHERE p.pid = a.pid AND NOT p.granted) AS l
        WHERE a.backend_type = 'client backend' AND a.wait_event_type = 'Lock' AND l.since IS NOT NULL
        ORDER BY l.since, a.pid
    LOOP
        IF sessions = 0 THEN
            longest := w;
            seconds := w.seconds;
        END IF;
        sessions := sessions + 1;
    END LOOP;
    IF sessions > 0 THEN
        blockers := array_to_string(pg_blocking_pids(longest.pid), ', ');
        message := format('pid %s (user %s, application %s) has waited %s s for a lock%s%s', longest.pid, longest.usename,
                          coalesce(nullif(longest.application_name, ''), '-'), seconds,
                          ' of pid ' || nullif(blockers, ''),
                          CASE WHEN sessions > 1 THEN format('; %s more', sessions - 1) END);
        remedy := CASE
            WHEN blockers = '' THEN 'It has the lock by now, or nobody holds it: look again.'
            -- pg_blocking_pids says 0 for it
            WHEN '0' = ANY (string_to_array(blockers, ', '))
                THEN 'A prepared transaction holds it: SELECT * FROM pg_prepared_xacts; then COMMIT PREPARED or ROLLBACK PREPARED.'
            ELSE format('See what holds it: SELECT pid, usename, state, query FROM pg_stat_activity WHERE pid IN (%1$s); and if nobody needs it: SELECT pg_terminate_backend(pid) FROM unnest(ARRAY[%1$s]) AS pid;',
                        blockers)
        END;
    END IF;
    RETURN NEXT emsn.judge('blocked_sessions', 'server', seconds, 'seconds', NULL, false, '60', '300', message, remedy);
END
$$;
COMMENT ON FUNCTION emsn.check_blocked_sessions() IS 'How long the longest waiting session has waited for a lock.';

-- Those that sit idle have a check of their own. A prepared transaction has no session and is easily forgotten.
CREATE FUNCTION emsn.check_long_transactions() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    oldest record;
    seconds bigint;
BEGIN
    PERFORM emsn.require_sessions_visible();
    SELECT o.since, o.message, o.remedy
    INTO oldest
    FROM (
        SELECT a.xact_start AS since,
               format('pid %s (user %s, application %s) has been at work in one transaction', a.pid, a.usename,
                      coalesce(nullif(a.application_name, ''), '-')) AS message,
               format('See what it does: SELECT query FROM pg_stat_activity WHERE pid = %1$s; and if nobody needs it: SELECT pg_cancel_backend(%1$s);',
                      a.pid) AS remedy
        FROM pg_stat_activity AS a
        WHERE a.backend_type = 'client backend'
          AND a.state NOT LIKE 'idle in transaction%'
          AND a.pid <> pg_backend_pid()
          AND a.xact_start IS NOT NULL
        UNION ALL
        SELECT p.prepared,
               format('transaction %L (user %s, database %s) has been prepared', p.gid, p.owner, p.database),
               format('Connect to %s, then COMMIT PREPARED %2$L; or ROLLBACK PREPARED %2$L;', p.database, p.gid)
        FROM pg_prepared_xacts AS p
    ) AS o
    ORDER BY o.since
    LIMIT 1;
    seconds := coalesce(greatest(extract(epoch FROM clock_timestamp() - oldest.since), 0), 0);
    RETURN NEXT emsn.judge(
        'long_transactions', 'server', seconds, 'seconds', NULL, false, '3600', '21600',
        coalesce(oldest.message || format(' for %s s', seconds), 'no other session is at work in a transaction'),
        oldest.remedy);
END
$$;
COMMENT ON FUNCTION emsn.check_long_transactions() IS 'Age of the oldest transaction that is at work or prepared.';
