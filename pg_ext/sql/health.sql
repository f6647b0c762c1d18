-- The one answer. Each check is a function of its own, called in an exception block of its own, so that a table which is
-- locked, missing or odd costs one row `unknown` with the reason, and the other checks answer.

CREATE TYPE emsn.health_row AS (
    check_name text,
    subject text,
    status text,
    value numeric,
    unit text,
    warning_at text,
    critical_at text,
    message text,
    remedy text,
    measured_at timestamptz
);
COMMENT ON TYPE emsn.health_row IS 'One row of emsn.health.';

-- A measured value beside its limits. bad_when_low: the limits are reached from above. whole: what % and - refer to.
CREATE FUNCTION emsn.judge(check_name text, subject text, value numeric, unit text, whole numeric, bad_when_low boolean,
                           default_warning text, default_critical text, message text, remedy text)
RETURNS emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bounds record;
    warned boolean;
    alarmed boolean;
    result emsn.health_row;
BEGIN
    -- most checks have no row there
    IF EXISTS (SELECT FROM emsn.thresholds AS t WHERE t.check_name = judge.check_name) THEN
        SELECT l.warning_at, l.critical_at
        INTO bounds
        FROM emsn.limits(check_name, subject, default_warning, default_critical) AS l;
    ELSE
        SELECT default_warning AS warning_at, default_critical AS critical_at INTO bounds;
    END IF;
    IF bad_when_low THEN
        warned := emsn.is_at_or_below(value, bounds.warning_at, whole);
        alarmed := emsn.is_at_or_below(value, bounds.critical_at, whole);
    ELSE
        warned := emsn.is_at_or_above(value, bounds.warning_at, whole);
        alarmed := emsn.is_at_or_above(value, bounds.critical_at, whole);
    END IF;
    IF warned IS NULL OR alarmed IS NULL THEN
        message := message || format('; a limit (%s, %s) has no meaning here', coalesce(bounds.warning_at, 'none'),
                                     coalesce(bounds.critical_at, 'none'));
        remedy := format('Correct emsn.thresholds for %s: this check takes other forms of limits.', check_name);
    END IF;
    result.check_name := check_name;
    result.subject := subject;
    result.status := CASE WHEN alarmed THEN 'critical' WHEN warned THEN 'warning'
                          WHEN warned IS NULL OR alarmed IS NULL THEN 'unknown' ELSE 'ok' END;
    result.value := value;
    result.unit := unit;
    result.warning_at := bounds.warning_at;
    result.critical_at := bounds.critical_at;
    result.message := message;
    result.remedy := CASE WHEN result.status <> 'ok' THEN remedy END;
    result.measured_at := clock_timestamp();
    RETURN result;
END
$$;
COMMENT ON FUNCTION emsn.judge(text, text, numeric, text, numeric, boolean, text, text, text, text) IS 'Row of emsn.health for a measured value.';

CREATE FUNCTION emsn.unjudged(check_name text, subject text, status text, message text, remedy text)
RETURNS emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN ROW(check_name, subject, status, NULL, NULL, NULL, NULL, message, remedy, clock_timestamp())::emsn.health_row;
END
$$;
COMMENT ON FUNCTION emsn.unjudged(text, text, text, text, text) IS 'Row of emsn.health without a value.';

-- lock_timeout: a table under ALTER TABLE must not make every monitoring query queue behind it. WHEN OTHERS does not
-- catch a cancelled query or a statement timeout.
CREATE FUNCTION emsn.health_rows() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 20
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '500ms'
AS $$
DECLARE
    part record;
    hint text;
BEGIN
    FOR part IN
        SELECT c.function_name, c.check_name, c.subject
        FROM (VALUES ('check_connections', 'connections', 'server'),
                     ('check_idle_in_transaction', 'idle_in_transaction', 'server'),
                     ('check_blocked_sessions', 'blocked_sessions', 'server'),
                     ('check_long_transactions', 'long_transactions', 'server'),
                     ('check_wraparound', 'wraparound', 'server'),
                     ('check_replication_lag', 'replication_lag', 'server'),
                     ('check_replication_slots', 'replication_slots', 'server'),
                     ('check_wal_archiving', 'wal_archiving', 'server'),
                     ('check_database_size', 'database_size', current_database()),
                     ('check_database_growth', 'database_growth', current_database()),
                     ('check_disk_usage', 'disk_usage', 'server'),
                     ('check_detections_index', 'detections_index', 'all stations'),
                     ('check_dead_tuples', 'dead_tuples', 'all stations'),
                     ('check_partitions', 'partitions', 'all stations'),
                     ('check_shards', 'shards', 'all stations'),
                     ('check_stations', 'detections_today', 'all stations'),
                     ('check_host_reports', 'report_age', 'all stations'),
                     ('check_emsn_versions', 'emsn_versions', 'all stations'),
                     ('check_station_disks', 'disk_usage', 'all stations'),
                     ('check_failed_units', 'failed_units', 'all stations'),
                     ('check_overdue_timers', 'overdue_timers', 'all stations'),
                     ('check_mirrors', 'mirror_age', 'all stations'),
                     ('check_backups', 'backup_age', 'all stations'),
                     ('check_sync_lag', 'sync_lag', 'all stations'),
                     ('check_rejected_detections', 'rejected_detections', 'all stations'),
                     ('check_open_anomalies', 'anomalies', 'all stations'),
                     ('check_baselines', 'baselines', 'all stations'),
                     ('check_jobs', 'jobs', 'all stations')) AS c (function_name, check_name, subject)
    LOOP
        BEGIN
            RETURN QUERY EXECUTE format(
                'SELECT r.check_name, r.subject, r.status, r.value, r.unit, r.warning_at, r.critical_at, r.message,
                        r.remedy, r.measured_at
                 FROM emsn.%I() AS r', part.function_name);
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
            RETURN NEXT emsn.unjudged(
                part.check_name, part.subject, 'unknown',
                CASE SQLSTATE
                    WHEN '42501' THEN format('not visible to role "%s": %s', current_user, SQLERRM)
                    WHEN '55P03' THEN format('not looked at, another session holds a lock: %s', SQLERRM)
                    ELSE SQLERRM
                END,
                CASE
                    WHEN hint <> '' THEN hint
                    WHEN SQLSTATE = '42501' THEN 'GRANT pg_monitor, and SELECT on the table of detections, to this role.'
                    WHEN SQLSTATE = '55P03' THEN 'Wait, or look for the session that holds it: SELECT * FROM emsn.idle_transactions;'
                    WHEN part.function_name = 'check_stations'
                        THEN 'Repair the table of detections, or name another one: SELECT emsn.use_detections(''schema.table'');'
                    ELSE 'The check itself failed: see the message and the server log.'
                END);
        END;
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.health_rows() IS 'Rows of emsn.health, in the order of the checks.';

CREATE VIEW emsn.health AS
SELECT r.check_name,
       r.subject,
       r.status,
       r.value,
       r.unit,
       r.warning_at,
       r.critical_at,
       r.message,
       r.remedy,
       r.measured_at
FROM emsn.health_rows() AS r
ORDER BY array_position(ARRAY['critical', 'warning', 'unknown', 'ok'], r.status), r.check_name, r.subject;
COMMENT ON VIEW emsn.health IS 'Is everything well? One row a check and subject, the worst first, with what to do about it.';
