-- Units of systemd that failed, as rows for health_local/rows.sql. place: one row, station.
CREATE TEMP TABLE failed AS
SELECT u.name, u.result, u.since
FROM emsn_units AS u
WHERE u.active_state = 'failed';
SELECT json_object('check_name', 'failed_units', 'subject', p.station || ' ' || f.name, 'value', 1, 'unit', 'units',
                   'warning_at', '1',
                   'message', f.name || ' failed' || coalesce(' (' || f.result || ')', '') || coalesce(' at ' || f.since, ''),
                   'remedy', printf('journalctl -u %s; afterwards: systemctl reset-failed %s', f.name, f.name))
FROM place AS p
JOIN failed AS f
UNION ALL
SELECT json_object('check_name', 'failed_units', 'subject', p.station, 'value', 0, 'unit', 'units', 'warning_at', '1',
                   'message', 'no unit failed')
FROM place AS p
WHERE NOT EXISTS (SELECT 1 FROM failed);
