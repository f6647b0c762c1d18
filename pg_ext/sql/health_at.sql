-- emsn.health of a moment in the past, as far as the watcher wrote it down. Limits are those of today.
CREATE FUNCTION emsn.health_at(moment timestamptz) RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 5
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- a sample that is older says little about the moment asked for
    fresh CONSTANT interval := '10 minutes';
    h record;
    counted timestamptz;
    d record;
    result emsn.health_row;
    results emsn.health_row[] := '{}';
BEGIN
    IF moment IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'health_at: the moment may not be NULL';
    END IF;
    SELECT s.sampled_at, s.used, s.max_connections, s.reserved, s.available, s.idle_in_transaction, s.oldest_pid,
           s.oldest_user_name, s.oldest_application_name, s.oldest_transaction_seconds, s.detections_error
    INTO h
    FROM emsn.connection_history AS s
    WHERE s.sampled_at <= moment
    ORDER BY s.sampled_at DESC
    LIMIT 1;
    IF h.sampled_at IS NULL THEN
        RETURN NEXT emsn.unjudged(
            'history', 'server', 'unknown', format('no sample at or before %s', moment),
            'Samples are taken by the watcher: shared_preload_libraries = ''emsn_health'', and emsn_health.database names this database.');
        RETURN;
    END IF;

    result := emsn.judge(
        'connections', 'server', h.used, 'connections', h.max_connections - h.reserved, false, '80%', '90%',
        format('%s of %s connections used, %s available (%s reserved)', h.used, h.max_connections, h.available, h.reserved),
        format('Who held them: SELECT * FROM emsn.client_history WHERE sampled_at = %L;', h.sampled_at));
    IF h.available = 0 THEN
        result.status := 'critical';
    END IF;
    result.measured_at := h.sampled_at;
    results := results || result;

    result := emsn.judge(
        'idle_in_transaction', 'server', coalesce(h.oldest_transaction_seconds, 0), 'seconds', NULL, false, '300', '900',
        CASE WHEN h.oldest_pid IS NULL THEN 'no session was idle in a transaction'
             ELSE format('pid %s (user %s, application %s) was idle in a transaction for %s s%s', h.oldest_pid,
                         h.oldest_user_name, coalesce(nullif(h.oldest_application_name, ''), '-'),
                         h.oldest_transaction_seconds,
                         CASE WHEN h.idle_in_transaction > 1 THEN format('; %s more', h.idle_in_transaction - 1) END)
        END,
        format('What the guard ended: SELECT * FROM emsn.guard_log WHERE decided_at >= %L;', h.sampled_at));
    result.measured_at := h.sampled_at;
    results := results || result;

    -- detections may be counted less often than connections
    SELECT max(s.sampled_at)
    INTO counted
    FROM emsn.connection_history AS s
    WHERE s.sampled_at BETWEEN h.sampled_at - fresh AND h.sampled_at AND s.detections IS NOT NULL;
    FOR d IN
        SELECT s.station, s.detections, s.last_detection
        FROM emsn.detection_history AS s
        WHERE s.sampled_at = counted
        ORDER BY s.station
    LOOP
        result := emsn.judge(
            'detections_today', d.station, d.detections, 'detections', NULL, true, NULL, NULL,
            format('%s detection%s so far that day; %s', d.detections, CASE WHEN d.detections <> 1 THEN 's' END,
                   coalesce('the last at ' || d.last_detection, 'never heard before')),
            'Look at the days around it: SELECT * FROM emsn.detection_history;');
        result.measured_at := counted;
        results := results || result;
    END LOOP;
    IF h.detections_error IS NOT NULL THEN
        result := emsn.unjudged('detections_today', 'all stations', 'unknown', h.detections_error,
                                'The check itself failed then: see the server log of that time.');
        result.measured_at := h.sampled_at;
        results := results || result;
    END IF;
    IF h.sampled_at < least(moment, clock_timestamp()) - fresh THEN
        result := emsn.unjudged('history', 'server', 'unknown',
                                format('the newest sample at or before %s is of %s', moment, h.sampled_at),
                                'The watcher or the server did not run then: see the server log.');
        result.measured_at := h.sampled_at;
        results := results || result;
    END IF;
    RETURN QUERY
    SELECT r.check_name, r.subject, r.status, r.value, r.unit, r.warning_at, r.critical_at, r.message, r.remedy, r.measured_at
    FROM unnest(results) AS r
    ORDER BY array_position(ARRAY['critical', 'warning', 'unknown', 'ok'], r.status), r.check_name, r.subject;
END
$$;
COMMENT ON FUNCTION emsn.health_at(timestamptz) IS 'Rows as of emsn.health, from the newest sample of the watcher at or before a moment.';
