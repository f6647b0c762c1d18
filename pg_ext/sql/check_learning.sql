-- Checks of what the server learns and runs. No rows before a job has run for the first time.

-- In one row, for a storm is not twenty faults. What has a row of its own in emsn.health is not counted here.
CREATE FUNCTION emsn.check_open_anomalies() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shown CONSTANT integer := 3;
    has_own_check CONSTANT text[] := '{station_silent,sync_lag}';
    checked_at CONSTANT timestamptz := (SELECT max(l.finished_at) FROM emsn.last_runs() AS l WHERE l.job = 'check_anomalies');
    o record;
    result emsn.health_row;
BEGIN
    IF checked_at IS NULL THEN
        RETURN;
    END IF;
    SELECT count(*) AS anomalies,
           count(*) FILTER (WHERE n.severity = 'critical') AS critical,
           string_agg(n.message, '; ' ORDER BY n.number) FILTER (WHERE n.number <= shown) AS messages
    INTO o
    FROM (SELECT a.severity,
                 concat_ws(' ', replace(a.kind, '_', ' '), a.station) || ': ' || a.message AS message,
                 row_number() OVER (ORDER BY a.severity, a.opened_at, a.station) AS number
          FROM emsn.anomalies AS a
          WHERE a.resolved_at IS NULL AND a.severity IN ('critical', 'warning') AND a.kind <> ALL (has_own_check)) AS n;
    result := emsn.unjudged('anomalies', 'all stations',
                            CASE WHEN o.critical > 0 THEN 'critical' WHEN o.anomalies > 0 THEN 'warning' ELSE 'ok' END,
                            CASE WHEN o.anomalies = 0 THEN 'none open'
                                 ELSE o.messages || CASE WHEN o.anomalies > shown
                                                         THEN format('; and %s more', o.anomalies - shown) ELSE '' END END,
                            CASE WHEN o.anomalies > 0 THEN 'SELECT * FROM emsn.anomalies WHERE resolved_at IS NULL;' END);
    result.value := o.anomalies;
    result.unit := 'anomalies';
    result.measured_at := checked_at;
    RETURN NEXT result;
END
$$;
COMMENT ON FUNCTION emsn.check_open_anomalies() IS 'How many critical anomalies and warnings are open, without those that have a check of their own.';

CREATE FUNCTION emsn.check_baselines() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    named CONSTANT oid := to_regclass((SELECT s.value FROM emsn.settings AS s WHERE s.name = 'detections'));
    b record;
BEGIN
    SELECT max(l.learned_at) AS learned_at,
           count(*) AS baselines,
           count(DISTINCT l.species) AS species,
           count(DISTINCT l.station) AS stations,
           count(DISTINCT l.station) FILTER (WHERE l.state = 'learning') AS learning
    INTO b
    FROM emsn.baselines AS l;
    IF b.learned_at IS NULL THEN
        RETURN;
    END IF;
    RETURN NEXT emsn.judge(
        'baselines', 'all stations', round(extract(epoch FROM statement_timestamp() - b.learned_at) / 86400, 1), 'days', NULL,
        false, '8', '15',
        format('%s baselines of %s species, learned at %s; %s of %s stations still learning%s', b.baselines, b.species,
               b.learned_at, b.learning, b.stations,
               CASE WHEN (emsn.change_tracking(named)).fingerprint IS NULL
                    THEN '; changes are not noted (emsn.track_changes): the whole lookback is read each time' END),
        'SELECT emsn.learn_baselines(); and see why it was not run: SELECT * FROM emsn.runs WHERE job = ''learn'' ORDER BY run DESC;');
END
$$;
COMMENT ON FUNCTION emsn.check_baselines() IS 'How old the baselines are.';

CREATE FUNCTION emsn.check_jobs() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    r record;
    result emsn.health_row;
BEGIN
    FOR r IN
        SELECT l.job,
               concat_ws(' ', l.job, nullif(nullif(l.subject, 'all stations'), '')) AS subject,
               greatest(floor(extract(epoch FROM statement_timestamp() - l.succeeded_at)), 0) AS age_seconds,
               l.succeeded_at,
               l.result,
               l.failures,
               d.warning_at,
               d.critical_at
        FROM emsn.last_runs() AS l
        LEFT JOIN (VALUES ('learn', '691200', '1296000'),
                          ('check_anomalies', '7200', '21600'),
                          ('maintain', '691200', '1296000')) AS d (job, warning_at, critical_at) ON d.job = l.job
    LOOP
        result := emsn.judge(
            'jobs', r.subject, r.age_seconds, 'seconds', NULL, false, r.warning_at, r.critical_at,
            coalesce('last succeeded at ' || r.succeeded_at, 'never succeeded')
            || CASE WHEN r.failures > 0 THEN format('; failed %s time%s since: %s', r.failures,
                                                    CASE WHEN r.failures <> 1 THEN 's' END, r.result) ELSE '' END,
            format('SELECT * FROM emsn.runs WHERE job = %L ORDER BY run DESC; a job that is given up: DELETE FROM emsn.runs WHERE '
                   'job = %1$L;', r.job));
        IF result.status = 'ok' AND r.failures > 0 THEN
            result.status := 'warning';
            result.remedy := format('SELECT * FROM emsn.runs WHERE job = %L ORDER BY run DESC;', r.job);
        END IF;
        RETURN NEXT result;
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.check_jobs() IS 'When each job of emsn.runs last succeeded.';
