-- Checks of what the stations say of themselves. Each judges the newest report of each station, however old: that it is
-- old is the check report_age. A station that is not expected is well.

CREATE FUNCTION emsn.as_reported(result emsn.health_row, station text, received_at timestamptz) RETURNS emsn.health_row
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    result.measured_at := received_at;
    IF result.status <> 'ok' AND EXISTS (SELECT FROM emsn.station_settings AS s
                                         WHERE s.station = as_reported.station AND NOT s.expected) THEN
        result.status := 'ok';
        result.message := result.message || '; not expected';
        result.remedy := NULL;
    END IF;
    RETURN result;
END
$$;
COMMENT ON FUNCTION emsn.as_reported(emsn.health_row, text, timestamptz) IS 'Row of emsn.health for what a station reported then; ok when nothing is expected of it.';

-- Parts of a report that the station could not gather have the reason beside them.
CREATE FUNCTION emsn.unreported(check_name text, part text) RETURNS SETOF emsn.health_row
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    r record;
BEGIN
    FOR r IN
        SELECT n.station, n.received_at, emsn.json_text(n.report -> (part || '_error')) AS reason,
               n.report -> 'systemd' = 'false' AND part IN ('units', 'timers') AS without_systemd
        FROM emsn.newest_host_reports() AS n
        ORDER BY n.station
    LOOP
        IF r.without_systemd THEN
            RETURN NEXT emsn.as_reported(emsn.unjudged(check_name, r.station, 'ok', 'no systemd runs there', NULL),
                                         r.station, r.received_at);
        ELSIF r.reason IS NOT NULL THEN
            RETURN NEXT emsn.as_reported(
                emsn.unjudged(check_name, r.station, 'unknown', left(r.reason, 500),
                              format('Look at %s; its last report: SELECT report FROM emsn.host_reports WHERE station = %L ORDER BY received_at DESC LIMIT 1;',
                                     r.station, r.station)),
                r.station, r.received_at);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.unreported(text, text) IS 'Rows of emsn.health for the stations that could not tell a part of their report.';

CREATE FUNCTION emsn.check_station_disks() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    d record;
    subject text;
BEGIN
    FOR d IN
        SELECT s.station, s.received_at, s.mount_point, s.total_bytes, s.available_bytes, s.used_percent, s.error,
               s.fs_type, s.device, s.read_only
        FROM emsn.station_disks() AS s
        ORDER BY s.station, s.mount_point
    LOOP
        subject := d.station || ' ' || d.mount_point;
        RETURN NEXT emsn.as_reported(
            CASE WHEN d.used_percent IS NULL
                 THEN emsn.unjudged('disk_usage', subject, 'unknown',
                                    format('%s: %s', d.mount_point, coalesce(d.error, 'not told how full it is')),
                                    format('See what df says of it on %s.', d.station))
                 ELSE emsn.judge('disk_usage', subject, d.used_percent, '%', 100, false, '80', '90',
                                 format('%s%% of %s used%s', d.used_percent, coalesce(pg_size_pretty(d.total_bytes), 'it'),
                                        ', ' || pg_size_pretty(d.available_bytes) || ' available'),
                                 format('Free space on %s at %s, or enlarge it.', d.mount_point, d.station))
            END, d.station, d.received_at);
        -- a card that wears out is made read-only by the kernel, and what records on it does no more
        IF d.read_only AND d.fs_type IN ('ext2', 'ext3', 'ext4', 'f2fs', 'btrfs', 'xfs', 'vfat', 'exfat', 'ntfs3', 'fuseblk') THEN
            RETURN NEXT emsn.as_reported(
                emsn.judge('read_only_disk', subject, 1, 'disks', NULL, false, NULL, '1',
                           format('%s%s is read-only', d.mount_point, ' (' || d.device || ')'),
                           format('On %s: see why: dmesg; is it a disk that wears out?', d.station)),
                d.station, d.received_at);
        END IF;
    END LOOP;
    RETURN QUERY
    SELECT u.check_name, u.subject, u.status, u.value, u.unit, u.warning_at, u.critical_at, u.message, u.remedy, u.measured_at
    FROM emsn.unreported('disk_usage', 'filesystems') AS u;
END
$$;
COMMENT ON FUNCTION emsn.check_station_disks() IS 'How full each file system of each station is, per cent as df shows it, and which disk is read-only.';

CREATE FUNCTION emsn.check_failed_units() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    r record;
    u record;
    failed bigint;
BEGIN
    FOR r IN
        SELECT n.station, n.received_at
        FROM emsn.newest_host_reports() AS n
        WHERE jsonb_typeof(n.report -> 'units') = 'array'
        ORDER BY n.station
    LOOP
        failed := 0;
        FOR u IN
            SELECT s.unit, s.result, s.description, s.since
            FROM emsn.station_units() AS s
            WHERE s.station = r.station AND s.active_state = 'failed'
            ORDER BY s.unit
        LOOP
            failed := failed + 1;
            RETURN NEXT emsn.as_reported(
                emsn.judge('failed_units', r.station || ' ' || u.unit, 1, 'units', NULL, false, '1', NULL,
                           format('%s failed%s%s', u.unit, ' (' || u.result || ')', ' at ' || u.since),
                           format('On %s: journalctl -u %s; afterwards: systemctl reset-failed %s', r.station, u.unit, u.unit)),
                r.station, r.received_at);
        END LOOP;
        IF failed = 0 THEN
            RETURN NEXT emsn.as_reported(
                emsn.judge('failed_units', r.station, 0, 'units', NULL, false, '1', NULL, 'no unit failed', NULL),
                r.station, r.received_at);
        END IF;
    END LOOP;
    RETURN QUERY
    SELECT e.check_name, e.subject, e.status, e.value, e.unit, e.warning_at, e.critical_at, e.message, e.remedy, e.measured_at
    FROM emsn.unreported('failed_units', 'units') AS e;
END
$$;
COMMENT ON FUNCTION emsn.check_failed_units() IS 'Units of systemd that failed, at each station.';

CREATE FUNCTION emsn.check_overdue_timers() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT n.station, n.received_at,
               count(s.name) AS timers,
               count(*) FILTER (WHERE s.overdue) AS overdue,
               string_agg(s.name, ', ' ORDER BY s.name) FILTER (WHERE s.overdue) AS names,
               min(s.next_trigger) FILTER (WHERE s.overdue) AS since
        FROM emsn.newest_host_reports() AS n
        LEFT JOIN emsn.station_timers() AS s ON s.station = n.station
        WHERE jsonb_typeof(n.report -> 'timers') = 'array'
        GROUP BY n.station, n.received_at
        ORDER BY n.station
    LOOP
        RETURN NEXT emsn.as_reported(
            emsn.judge('overdue_timers', t.station, t.overdue, 'timers', NULL, false, '1', NULL,
                       CASE WHEN t.overdue = 0 THEN format('%s timer%s, none overdue', t.timers, CASE WHEN t.timers <> 1 THEN 's' END)
                            ELSE format('overdue%s: %s', ' since ' || t.since, left(t.names, 500)) END,
                       format('On %s: systemctl list-timers --all, and what is running: systemctl list-jobs', t.station)),
            t.station, t.received_at);
    END LOOP;
    RETURN QUERY
    SELECT e.check_name, e.subject, e.status, e.value, e.unit, e.warning_at, e.critical_at, e.message, e.remedy, e.measured_at
    FROM emsn.unreported('overdue_timers', 'timers') AS e;
END
$$;
COMMENT ON FUNCTION emsn.check_overdue_timers() IS 'Timers of systemd at each station that should have started something.';

CREATE FUNCTION emsn.check_host_reports() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    r record;
    found_any boolean := false;
    offset_seconds numeric;
    age bigint;
    result emsn.health_row;
BEGIN
    FOR r IN
        SELECT n.station, n.received_at, emsn.json_number(n.report -> 'clock_offset_ms', -1e18, 1e18) AS offset_ms
        FROM emsn.newest_host_reports() AS n
        ORDER BY n.station
    LOOP
        found_any := true;
        age := greatest(floor(extract(epoch FROM clock_timestamp() - r.received_at)), 0);
        RETURN NEXT emsn.as_reported(
            emsn.judge('report_age', r.station, age, 'seconds', NULL, false, '3600', '86400',
                       format('last host report %s s ago, at %s', age, r.received_at),
                       format('Look at %s: power, network, and emsn-publish there: journalctl -u emsn-publish', r.station)),
            r.station, clock_timestamp());
        IF r.offset_ms IS NOT NULL THEN
            offset_seconds := round(r.offset_ms / 1000, 3);
            RETURN NEXT emsn.as_reported(
                emsn.judge('clock_offset', r.station, abs(offset_seconds), 'seconds', NULL, false, '5', '60',
                           format('its clock is %s s %s', abs(offset_seconds),
                                  CASE WHEN offset_seconds < 0 THEN 'ahead of this server' ELSE 'behind this server' END),
                           format('Set the clock of %s: timedatectl set-ntp true; or that of this server.', r.station)),
                r.station, r.received_at);
        END IF;
    END LOOP;
    IF NOT found_any THEN
        RETURN NEXT emsn.unjudged('report_age', 'all stations', 'ok', 'no station has sent a host report', NULL);
    END IF;
END
$$;
COMMENT ON FUNCTION emsn.check_host_reports() IS 'How old the newest host report of each station is, and how far its clock is off.';

CREATE FUNCTION emsn.check_emsn_versions() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v record;
BEGIN
    SELECT count(*) AS versions,
           sum(g.stations) AS stations,
           string_agg(format('%s (%s)', g.version, g.names), ', ' ORDER BY g.version) AS list
    INTO v
    FROM (SELECT left(e.version, 50) AS version,
                 count(*) AS stations,
                 left(string_agg(n.station, ', ' ORDER BY n.station), 200) AS names
          FROM emsn.newest_host_reports() AS n
          CROSS JOIN LATERAL (SELECT emsn.json_text(n.report -> 'emsn') AS version) AS e
          WHERE e.version IS NOT NULL
          GROUP BY left(e.version, 50)) AS g;
    IF v.versions > 0 THEN
        RETURN NEXT emsn.judge('emsn_versions', 'all stations', v.versions, 'versions', NULL, false, '2', NULL,
                               CASE WHEN v.versions = 1 THEN format('one version of emsn: %s', v.list)
                                    ELSE format('versions of emsn differ: %s', left(v.list, 1000)) END,
                               'Install the newest version of emsn at each station.');
    ELSE
        RETURN NEXT emsn.unjudged('emsn_versions', 'all stations', 'ok', 'no station has told its version of emsn', NULL);
    END IF;
END
$$;
COMMENT ON FUNCTION emsn.check_emsn_versions() IS 'Whether all stations run the same version of emsn.';
