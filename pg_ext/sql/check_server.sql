-- Checks of the server itself: its disks, its age in transactions, its size.

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
        WHERE emsn.is_filled_by_users(s.fs_type)
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

-- The server refuses new transactions 3 million before the counter meets its own tail; the counter of multixacts alike.
CREATE FUNCTION emsn.check_wraparound() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    most CONSTANT bigint := 2147483648 - 3000000;
    oldest record;
BEGIN
    SELECT d.datname, a.transactions
    INTO oldest
    FROM pg_database AS d
    CROSS JOIN LATERAL (SELECT greatest(age(d.datfrozenxid), mxid_age(d.datminmxid)) AS transactions) AS a
    ORDER BY a.transactions DESC, d.datname
    LIMIT 1;
    RETURN NEXT emsn.judge(
        'wraparound', 'server', oldest.transactions, 'transactions', most, false, '50%', '75%',
        format('database %s: oldest row not frozen is %s transactions old, %s are left', oldest.datname,
               oldest.transactions, most - oldest.transactions),
        format('In database %s, as a superuser: VACUUM (FREEZE); first end what holds it back: SELECT * FROM emsn.idle_transactions; SELECT * FROM pg_prepared_xacts; SELECT * FROM pg_replication_slots;',
               oldest.datname));
END
$$;
COMMENT ON FUNCTION emsn.check_wraparound() IS 'Age of the oldest transaction that is not frozen, in any database.';

-- No limit by itself: how much is too much, the disk says. For graphs, and for limits of one's own.
CREATE FUNCTION emsn.check_database_size() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name CONSTANT text := current_database();
    bytes CONSTANT bigint := pg_database_size(name);
BEGIN
    RETURN NEXT emsn.judge('database_size', name, bytes, 'bytes', NULL, false, NULL, NULL,
                           format('database %s takes %s', name, pg_size_pretty(bytes)),
                           'See what takes it: \dt+ and \di+ in psql.');
END
$$;
COMMENT ON FUNCTION emsn.check_database_size() IS 'Bytes of this database.';
