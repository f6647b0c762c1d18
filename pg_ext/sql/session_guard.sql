-- The guard of the watcher: ends sessions that sit idle in a transaction when connection slots run out. It decides and
-- writes that down in one transaction, and acts in the next: whoever was ended stands in the log, whatever happens between.

CREATE TABLE emsn.guard_log (
    decided_at timestamptz NOT NULL,
    pid integer NOT NULL,
    user_name text,
    application_name text,
    client_addr inet,
    database_name text,
    transaction_seconds bigint NOT NULL,
    idle_seconds bigint NOT NULL,
    last_query text,
    available integer NOT NULL,
    reason text NOT NULL,
    outcome text CHECK (outcome IN ('ended', 'went on', 'still there')),
    backend_start timestamptz NOT NULL,
    state_change timestamptz NOT NULL,
    PRIMARY KEY (decided_at, pid)
);
COMMENT ON TABLE emsn.guard_log IS 'Sessions that the guard of the watcher chose to end, and why.';
COMMENT ON COLUMN emsn.guard_log.available IS 'Connection slots that were left when it was chosen.';
COMMENT ON COLUMN emsn.guard_log.outcome IS 'NULL: the server stopped in between; "went on": it did something before it was ended, and was left alone.';
SELECT pg_catalog.pg_extension_config_dump('emsn.guard_log', '');

-- The longest idle one first. That of a superuser only when no other is left: it may be the person who repairs the server. A
-- session that would not end is not tried again.
CREATE FUNCTION emsn.guard_choose(min_available integer, idle_after_seconds integer,
                                  OUT decided_at timestamptz, OUT pid integer, OUT reason text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    slots_left CONSTANT integer := (SELECT n.available FROM emsn.connections AS n);
BEGIN
    IF slots_left >= min_available THEN
        RETURN;
    END IF;
    INSERT INTO emsn.guard_log AS g (
        decided_at, pid, user_name, application_name, client_addr, database_name, transaction_seconds, idle_seconds,
        last_query, available, reason, backend_start, state_change)
    -- an aborted transaction has no xact_start any more
    SELECT clock_timestamp(),
           a.pid,
           a.usename,
           a.application_name,
           a.client_addr,
           a.datname,
           greatest(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.state_change)), 0)::bigint,
           a.idle_seconds,
           left(a.query, 200),
           slots_left,
           format('idle in a transaction for %s s; %s connection slot%s left, %s wanted', a.idle_seconds, slots_left,
                  CASE WHEN slots_left <> 1 THEN 's' END, min_available),
           a.backend_start,
           a.state_change
    FROM (
        SELECT c.pid, c.usename, c.application_name, c.client_addr, c.datname, c.xact_start, c.state_change, c.query,
               c.backend_start, s.idle_seconds
        FROM pg_stat_activity AS c
        CROSS JOIN LATERAL (
            SELECT floor(extract(epoch FROM clock_timestamp() - c.state_change))::bigint
        ) AS s (idle_seconds)
        LEFT JOIN pg_roles AS r ON r.oid = c.usesysid
        WHERE c.backend_type = 'client backend'
          AND c.state LIKE 'idle in transaction%'
          AND s.idle_seconds >= idle_after_seconds
          AND NOT EXISTS (SELECT
                          FROM emsn.guard_log AS t
                          WHERE t.pid = c.pid AND t.backend_start = c.backend_start AND t.outcome = 'still there')
        ORDER BY coalesce(r.rolsuper, false), c.state_change, c.pid
        LIMIT 1
    ) AS a
    RETURNING g.decided_at, g.pid,
              format('session %s (user %s, application %s, database %s): %s', g.pid, g.user_name,
                     coalesce(nullif(g.application_name, ''), '-'), g.database_name, g.reason)
    INTO guard_choose.decided_at, guard_choose.pid, guard_choose.reason;
END
$$;
COMMENT ON FUNCTION emsn.guard_choose(integer, integer) IS 'For the watcher: when fewer slots than wanted are left, the session to end, written down in emsn.guard_log; else NULL.';

CREATE FUNCTION emsn.guard_end(decided_at timestamptz, pid integer) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- an idle backend ends within milliseconds of the signal
    patience CONSTANT bigint := 2000;
    was_ended boolean;
BEGIN
    PERFORM pg_stat_clear_snapshot();
    SELECT pg_terminate_backend(a.pid, patience)
    INTO was_ended
    FROM emsn.guard_log AS g
    JOIN pg_stat_activity AS a
        ON a.pid = g.pid AND a.backend_start = g.backend_start AND a.state_change = g.state_change
    WHERE g.decided_at = guard_end.decided_at
      AND g.pid = guard_end.pid
      AND a.state LIKE 'idle in transaction%';
    UPDATE emsn.guard_log AS g
    SET outcome = CASE was_ended WHEN true THEN 'ended' WHEN false THEN 'still there' ELSE 'went on' END
    WHERE g.decided_at = guard_end.decided_at AND g.pid = guard_end.pid;
    RETURN coalesce(was_ended, false);
END
$$;
COMMENT ON FUNCTION emsn.guard_end(timestamptz, integer) IS 'For the watcher: ends the session that was chosen unless it went on meanwhile, and writes down the outcome.';
