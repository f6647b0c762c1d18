-- The machines behind a report, as they are now: from the views that answer for each.

CREATE FUNCTION emsn.disk_trends(only_station text DEFAULT NULL)
RETURNS TABLE (station text, mount_point text, used_percent numeric, bytes_per_day bigint, days_to_full numeric)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    -- over less, one big file looks like growth without end
    shortest CONSTANT interval := '12 hours';
BEGIN
    RETURN QUERY
    SELECT d.station,
           d.mount_point,
           d.used_percent,
           t.bytes_per_day,
           CASE WHEN t.bytes_per_day > 0 THEN round(d.available_bytes::numeric / t.bytes_per_day) END
    FROM emsn.station_disks() AS d
    LEFT JOIN LATERAL (
        SELECT h.received_at, h.report
        FROM emsn.host_reports AS h
        WHERE h.station = d.station AND h.received_at >= d.received_at - interval '7 days'
        ORDER BY h.received_at
        LIMIT 1
    ) AS o ON o.received_at <= d.received_at - shortest
    LEFT JOIN LATERAL (
        SELECT emsn.json_count(f.disk -> 'used_bytes') AS used_bytes
        FROM emsn.json_rows(o.report -> 'filesystems') AS f (disk)
        WHERE emsn.json_text(f.disk -> 'mount_point') = d.mount_point
        LIMIT 1
    ) AS b ON true
    CROSS JOIN LATERAL (
        SELECT round((d.used_bytes - b.used_bytes)::numeric
                     / (extract(epoch FROM d.received_at - o.received_at) / 86400))::bigint
    ) AS t (bytes_per_day)
    WHERE only_station IS NULL OR d.station = only_station;
END
$$;
COMMENT ON FUNCTION emsn.disk_trends(text) IS 'Disks of the stations (or one): bytes a day by which each filled over the last 7 days, and the days until it is full at that pace; NULL: not known, or it does not fill.';

CREATE FUNCTION emsn.report_system(kind text, period date, station text) RETURNS SETOF emsn.report_row
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 50
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    p CONSTANT record := emsn.report_period(report_system.kind, report_system.period);
    only_station CONSTANT text := report_system.station;
BEGIN
    RETURN QUERY
    SELECT 'system', NULL::integer, 'backup', b.age_seconds::numeric, 'seconds',
           jsonb_build_object('station', b.station, 'subject', b.kind, 'newest', b.newest, 'complete', b.complete,
                              'verified', b.verified)
    FROM emsn.backups AS b
    WHERE only_station IS NULL OR b.station = only_station
    ORDER BY b.station COLLATE "C", b.kind COLLATE "C";
    RETURN QUERY
    SELECT 'system', NULL::integer, 'mirror', m.age_seconds::numeric, 'seconds',
           jsonb_build_object('station', m.station, 'subject', m.destination, 'last_success', m.last_success,
                              'last_error', m.last_error)
    FROM emsn.mirrors AS m
    WHERE only_station IS NULL OR m.station = only_station
    ORDER BY m.station COLLATE "C";
    RETURN QUERY
    SELECT 'system', NULL::integer, 'disk', d.used_percent, 'percent',
           jsonb_build_object('station', d.station, 'subject', d.mount_point, 'bytes_per_day', d.bytes_per_day,
                              'days_to_full', d.days_to_full)
    FROM emsn.disk_trends(only_station) AS d
    ORDER BY d.station COLLATE "C", d.mount_point COLLATE "C";
    RETURN QUERY
    SELECT 'system', NULL::integer, 'failed_unit', NULL::numeric, NULL::text,
           jsonb_build_object('station', s.station, 'subject', s.unit, 'result', s.result)
    FROM emsn.services AS s
    WHERE (s.active_state = 'failed' OR s.result NOT IN ('success', 'done')) AND (only_station IS NULL OR s.station = only_station)
    ORDER BY s.station COLLATE "C", s.unit COLLATE "C";
    IF only_station IS NOT NULL THEN
        RETURN;
    END IF;
    -- of the server itself
    RETURN QUERY
    SELECT 'system', NULL::integer, 'disk', f.used_percent, 'percent',
           jsonb_build_object('station', NULL, 'subject', f.mount_point, 'bytes_per_day', NULL, 'days_to_full', NULL)
    FROM emsn.disk_usage AS f
    WHERE f.station IS NULL
    ORDER BY f.mount_point COLLATE "C";
    RETURN QUERY
    SELECT 'system', NULL::integer, 'database_growth', g.value, 'bytes_per_day',
           jsonb_build_object('subject', g.subject, 'message', g.message)
    FROM emsn.check_database_growth() AS g;
    RETURN QUERY
    SELECT 'system', NULL::integer, 'connections', c.used::numeric, 'connections',
           jsonb_build_object('available', c.available, 'max_connections', c.max_connections)
    FROM emsn.connections AS c;
    RETURN QUERY
    SELECT 'system', NULL::integer, 'most_connections', h.used::numeric, 'connections',
           jsonb_build_object('sampled_at', h.sampled_at, 'max_connections', h.max_connections)
    FROM emsn.connection_history AS h
    WHERE h.sampled_at >= p.first_day AND h.sampled_at < p.last_day + 1
    ORDER BY h.used DESC, h.sampled_at
    LIMIT 1;
    RETURN QUERY
    SELECT 'system', NULL::integer, 'failed_job', count(*)::numeric, 'runs',
           jsonb_build_object('subject', concat_ws(' ', r.job, nullif(r.subject, '')), 'newest', max(r.started_at))
    FROM emsn.runs AS r
    WHERE r.started_at >= p.first_day AND r.started_at < p.last_day + 1 AND r.result <> 'ok'
    GROUP BY r.job, r.subject
    ORDER BY r.job COLLATE "C", r.subject COLLATE "C";
END
$$;
COMMENT ON FUNCTION emsn.report_system(text, date, text) IS 'For emsn.report: backups, mirrors, disks and failed units as they are now, connections, and jobs that failed in the period.';
