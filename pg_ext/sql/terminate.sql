-- Ends sessions that are idle inside a transaction. Looking is the default; dry_run => false acts.
CREATE FUNCTION emsn.terminate_idle_transactions(older_than interval, dry_run boolean DEFAULT true)
RETURNS TABLE (pid integer, user_name text, application_name text, transaction_seconds bigint, terminated boolean)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 5
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- an idle backend ends within milliseconds of the signal
    patience CONSTANT bigint := 5000;
    found record;
BEGIN
    IF older_than IS NULL OR dry_run IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'terminate_idle_transactions: neither older_than nor dry_run may be NULL';
    END IF;
    IF older_than < interval '0' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('terminate_idle_transactions: older_than must not be negative: %s', older_than);
    END IF;
    PERFORM emsn.require_sessions_visible();
    IF NOT pg_has_role(current_user, 'pg_signal_backend', 'USAGE') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('terminate_idle_transactions: role "%s" may not end sessions', current_user),
            HINT = 'GRANT pg_signal_backend to it.';
    END IF;
    FOR found IN
        SELECT i.pid, i.user_name, i.application_name, i.transaction_seconds, i.backend_start, i.began
        FROM emsn.idle_transaction_rows() AS i
        WHERE clock_timestamp() - i.began >= older_than
    LOOP
        pid := found.pid;
        user_name := found.user_name;
        application_name := found.application_name;
        transaction_seconds := found.transaction_seconds;
        terminated := false;
        IF NOT dry_run THEN
            -- the picture of the sessions is kept for a whole transaction: look again, so that a session that went
            -- on meanwhile, or a new one with the same pid, is left alone
            PERFORM pg_stat_clear_snapshot();
            BEGIN
                SELECT pg_terminate_backend(a.pid, patience)
                INTO terminated
                FROM pg_stat_activity AS a
                WHERE a.pid = found.pid
                  AND a.backend_start = found.backend_start
                  AND coalesce(a.xact_start, a.state_change) = found.began
                  AND a.state LIKE 'idle in transaction%';
                terminated := coalesce(terminated, false);
            EXCEPTION WHEN insufficient_privilege THEN
                RAISE NOTICE USING MESSAGE = format('session %s: %s', found.pid, SQLERRM);
                terminated := false;
            END;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.terminate_idle_transactions(interval, boolean) IS 'Sessions idle inside a transaction that began at least older_than ago; with dry_run => false they are ended. Needs pg_monitor and pg_signal_backend.';
