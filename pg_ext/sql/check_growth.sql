-- How fast the database grows, from the samples of the watcher, and when the disk is full at that pace. No limits by
-- itself: how fast is too fast, the disk says.
CREATE FUNCTION emsn.check_database_growth() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name CONSTANT text := current_database();
    -- over less, an index that is made looks like growth without end
    shortest CONSTANT interval := '12 hours';
    oldest record;
    newest record;
    days numeric;
    per_day bigint;
    disk record;
BEGIN
    SELECT h.sampled_at, h.database_bytes
    INTO oldest
    FROM emsn.connection_history AS h
    WHERE h.sampled_at >= statement_timestamp() - interval '7 days' AND h.database_bytes IS NOT NULL
    ORDER BY h.sampled_at
    LIMIT 1;
    SELECT h.sampled_at, h.database_bytes
    INTO newest
    FROM emsn.connection_history AS h
    WHERE h.sampled_at >= statement_timestamp() - interval '7 days' AND h.database_bytes IS NOT NULL
    ORDER BY h.sampled_at DESC
    LIMIT 1;
    IF oldest.sampled_at IS NULL OR newest.sampled_at - oldest.sampled_at < shortest THEN
        RETURN NEXT emsn.unjudged('database_growth', name, 'ok', 'not known: the watcher has not sampled for half a day yet', NULL);
        RETURN;
    END IF;
    days := extract(epoch FROM newest.sampled_at - oldest.sampled_at) / 86400;
    per_day := round((newest.database_bytes - oldest.database_bytes) / days);
    -- the file system that holds the data: the longest mount point above it; the setting is seen by pg_monitor
    SELECT f.mount_point, f.available_bytes
    INTO disk
    FROM emsn.filesystems() AS f
    JOIN pg_settings AS s ON s.name = 'data_directory'
    WHERE starts_with(s.setting || '/', rtrim(f.mount_point, '/') || '/')
    ORDER BY length(f.mount_point) DESC
    LIMIT 1;
    RETURN NEXT emsn.judge(
        'database_growth', name, per_day, 'bytes', NULL, false, NULL, NULL,
        format('database %s %s by %s a day over %s days%s', name, CASE WHEN per_day < 0 THEN 'shrinks' ELSE 'grows' END,
               pg_size_pretty(abs(per_day)), round(days, 1),
               CASE WHEN per_day > 0
                    THEN '; ' || disk.mount_point || ' is full in ' || disk.available_bytes / per_day || ' days' END),
        'See what takes it: \dt+ and \di+ in psql.');
END
$$;
COMMENT ON FUNCTION emsn.check_database_growth() IS 'Bytes a day by which this database grew over the last 7 days.';
