-- What the newest host report of each station says, as tables.

-- Images are full by nature. The kinds of FUSE that desktops and containers mount hold no files of their own.
CREATE FUNCTION emsn.is_filled_by_users(fs_type text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(fs_type NOT IN ('squashfs', 'iso9660', 'udf', 'erofs', 'cramfs', 'romfs', 'autofs', 'fuse.lxcfs',
                                'fuse.gvfsd-fuse', 'fuse.portal'), true);
COMMENT ON FUNCTION emsn.is_filled_by_users(text) IS 'Whether it means something how full a file system of this kind is.';

CREATE FUNCTION emsn.station_disks()
RETURNS TABLE (station text, received_at timestamptz, mount_point text, total_bytes bigint, used_bytes bigint,
               available_bytes bigint, used_percent numeric, error text, fs_type text, device text, read_only boolean)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT r.station,
           r.received_at,
           emsn.json_text(f.disk -> 'mount_point'),
           emsn.json_count(f.disk -> 'total_bytes'),
           emsn.json_count(f.disk -> 'used_bytes'),
           emsn.json_count(f.disk -> 'available_bytes'),
           emsn.json_number(f.disk -> 'used_percent', 0, 100),
           emsn.json_text(f.disk -> 'error'),
           emsn.json_text(f.disk -> 'fs_type'),
           emsn.json_text(f.disk -> 'device'),
           emsn.json_boolean(f.disk -> 'read_only')
    FROM emsn.newest_host_reports() AS r
    CROSS JOIN LATERAL emsn.json_rows(r.report -> 'filesystems') AS f (disk)
    WHERE emsn.json_text(f.disk -> 'mount_point') IS NOT NULL
      AND emsn.is_filled_by_users(emsn.json_text(f.disk -> 'fs_type'));
END
$$;
COMMENT ON FUNCTION emsn.station_disks() IS 'File systems of each station as in its newest host report.';

CREATE VIEW emsn.disk_usage AS
SELECT d.station,
       d.mount_point,
       d.total_bytes,
       d.used_bytes,
       d.used_percent,
       d.received_at AS measured_at
FROM emsn.station_disks() AS d
UNION ALL
SELECT NULL,
       f.mount_point,
       f.total_bytes,
       f.used_bytes,
       f.used_percent::numeric,
       statement_timestamp()
FROM emsn.filesystems() AS f
WHERE emsn.is_filled_by_users(f.fs_type)
ORDER BY station NULLS FIRST, mount_point;
COMMENT ON VIEW emsn.disk_usage IS 'How full the disks are: of each station by its newest host report, and of this server now (station NULL).';

CREATE FUNCTION emsn.station_timers()
RETURNS TABLE (station text, received_at timestamptz, name text, unit text, last_trigger timestamptz,
               next_trigger timestamptz, result text, overdue boolean)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT r.station,
           r.received_at,
           emsn.json_text(t.timer -> 'name'),
           emsn.json_text(t.timer -> 'unit'),
           emsn.json_time(t.timer -> 'last_trigger'),
           emsn.json_time(t.timer -> 'next_trigger'),
           emsn.json_text(t.timer -> 'result'),
           emsn.json_boolean(t.timer -> 'overdue')
    FROM emsn.newest_host_reports() AS r
    CROSS JOIN LATERAL emsn.json_rows(r.report -> 'timers') AS t (timer)
    WHERE emsn.json_text(t.timer -> 'name') IS NOT NULL;
END
$$;
COMMENT ON FUNCTION emsn.station_timers() IS 'Timers of each station as in its newest host report.';

CREATE FUNCTION emsn.station_units()
RETURNS TABLE (station text, received_at timestamptz, unit text, active_state text, result text, description text,
               since timestamptz)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT r.station,
           r.received_at,
           emsn.json_text(u.unit -> 'name'),
           emsn.json_text(u.unit -> 'active_state'),
           emsn.json_text(u.unit -> 'result'),
           emsn.json_text(u.unit -> 'description'),
           emsn.json_time(u.unit -> 'since')
    FROM emsn.newest_host_reports() AS r
    CROSS JOIN LATERAL emsn.json_rows(r.report -> 'units') AS u (unit)
    WHERE emsn.json_text(u.unit -> 'name') IS NOT NULL;
END
$$;
COMMENT ON FUNCTION emsn.station_units() IS 'Units of each station as in its newest host report: those named emsn-*, and those that failed.';

-- A service is shown with the times of the timers that start it.
CREATE VIEW emsn.services AS
SELECT u.station,
       u.unit,
       u.active_state,
       u.result,
       t.last_trigger,
       t.next_trigger,
       t.overdue,
       u.received_at AS measured_at
FROM emsn.station_units() AS u
LEFT JOIN LATERAL (
    SELECT max(a.last_trigger) AS last_trigger,
           min(a.next_trigger) AS next_trigger,
           bool_or(a.overdue) AS overdue
    FROM emsn.station_timers() AS a
    WHERE a.station = u.station AND u.unit IN (a.name, a.unit)
) AS t ON true
UNION ALL
SELECT t.station,
       t.name,
       NULL,
       t.result,
       t.last_trigger,
       t.next_trigger,
       t.overdue,
       t.received_at
FROM emsn.station_timers() AS t
WHERE NOT EXISTS (SELECT FROM emsn.station_units() AS u WHERE u.station = t.station AND u.unit = t.name)
ORDER BY station, unit;
COMMENT ON VIEW emsn.services IS 'Units of systemd at each station by its newest host report: failed ones, those named emsn-*, and timers.';

CREATE FUNCTION emsn.station_mirrors()
RETURNS TABLE (station text, received_at timestamptz, destination text, last_success timestamptz, age_seconds bigint,
               bytes bigint, held_ms numeric, verify text, last_error text)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT r.station,
           r.received_at,
           emsn.json_text(r.report #> '{mirror,destination}'),
           l.last_success,
           emsn.reported_age(r.received_at, r.reported_at, l.last_success),
           emsn.json_count(r.report #> '{mirror,bytes}'),
           emsn.json_number(r.report #> '{mirror,held_ms}', 0, 1e12),
           emsn.json_text(r.report #> '{mirror,verify}'),
           emsn.json_text(r.report #> '{mirror,last_error}')
    FROM emsn.newest_host_reports() AS r
    CROSS JOIN LATERAL (SELECT emsn.json_time(r.report #> '{mirror,last_success}') AS last_success) AS l
    WHERE jsonb_typeof(r.report -> 'mirror') = 'object';
END
$$;
COMMENT ON FUNCTION emsn.station_mirrors() IS 'The mirror of each station as in its newest host report.';

CREATE VIEW emsn.mirrors AS
SELECT m.station,
       m.destination,
       m.last_success,
       m.age_seconds,
       m.bytes,
       m.held_ms,
       m.verify,
       m.last_error
FROM emsn.station_mirrors() AS m
ORDER BY m.station;
COMMENT ON VIEW emsn.mirrors IS 'The mirror of each station by its newest host report: when it last succeeded, and why not since.';

CREATE FUNCTION emsn.station_backups()
RETURNS TABLE (station text, received_at timestamptz, kind text, newest timestamptz, age_seconds bigint, entries bigint,
               bytes bigint, complete boolean, verified boolean, name text)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT r.station,
           r.received_at,
           emsn.json_text(b.backup -> 'kind'),
           n.newest,
           emsn.reported_age(r.received_at, r.reported_at, n.newest),
           emsn.json_count(b.backup -> 'entries'),
           emsn.json_count(b.backup -> 'bytes'),
           emsn.json_boolean(b.backup -> 'complete'),
           emsn.json_boolean(b.backup -> 'verified'),
           emsn.json_text(b.backup -> 'name')
    FROM emsn.newest_host_reports() AS r
    CROSS JOIN LATERAL emsn.json_rows(r.report -> 'backups') AS b (backup)
    CROSS JOIN LATERAL (SELECT emsn.json_time(b.backup -> 'newest') AS newest) AS n
    WHERE emsn.json_text(b.backup -> 'kind') IS NOT NULL;
END
$$;
COMMENT ON FUNCTION emsn.station_backups() IS 'Backups of each station and kind as in its newest host report.';

CREATE VIEW emsn.backups AS
SELECT b.station,
       b.kind,
       b.newest,
       b.age_seconds,
       b.entries,
       b.bytes,
       b.complete,
       b.verified
FROM emsn.station_backups() AS b
ORDER BY b.station, b.kind;
COMMENT ON VIEW emsn.backups IS 'Backups of each station and kind by its newest host report; complete and verified are those of the newest one.';
