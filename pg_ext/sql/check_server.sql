-- Checks of the server itself.

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

-- Images are full by nature. The kinds of FUSE that desktops and containers mount hold no files of their own.
CREATE FUNCTION emsn.check_disk_usage() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    f record;
BEGIN
    FOR f IN
        SELECT s.mount_point, s.total_bytes, s.available_bytes, s.used_percent, s.error
        FROM emsn.filesystems() AS s
        WHERE s.fs_type NOT IN ('squashfs', 'iso9660', 'udf', 'erofs', 'cramfs', 'romfs', 'autofs', 'fuse.lxcfs',
                                'fuse.gvfsd-fuse', 'fuse.portal')
        ORDER BY s.mount_point
    LOOP
        IF f.error IS NOT NULL THEN
            RETURN NEXT emsn.unjudged('disk_usage', f.mount_point, 'unknown', format('%s: %s', f.mount_point, f.error),
                                      'See what df says of it on the server; a share is measured on the machine that holds it.');
        ELSE
            RETURN NEXT emsn.judge(
                'disk_usage', f.mount_point, f.used_percent::numeric, '%', 100, false, '80', '90',
                format('%s%% of %s used, %s available', f.used_percent, pg_size_pretty(f.total_bytes),
                       pg_size_pretty(f.available_bytes)),
                format('Free space on %s or enlarge it.', f.mount_point));
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.check_disk_usage() IS 'How full each file system of the server is, per cent as df shows it.';
