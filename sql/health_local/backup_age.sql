-- How old the newest backup of each kind is, as rows for health_local/rows.sql. place: one row, station, backups
-- (EMSN_BACKUP_DIR, or empty). One that is missed is a warning, two are an alarm; in seconds.
WITH limits (kind, warning_at, critical_at) AS (
    VALUES ('database', '7200', '21600'), ('hourly', '7200', '21600'), ('daily', '129600', '259200'),
           ('centre', '129600', '259200'), ('images', '777600', '1382400'), ('weekly', '777600', '1382400')
), newest AS ( -- complete and verified are those of the row with the greatest taken_at
    SELECT p.station,
           b.kind,
           max(b.taken_at) AS taken_at,
           b.name,
           b.verified,
           CASE WHEN b.complete = 0 THEN 'is not complete' WHEN b.verified = 0 THEN 'is not verified' END AS doubt
    FROM place AS p
    JOIN emsn_backups(p.backups) AS b
    WHERE p.backups <> '' AND (b.station IS NULL OR b.station = p.station)
    GROUP BY b.kind
), aged AS (
    SELECT n.station,
           n.kind,
           n.name,
           n.verified,
           n.doubt,
           max(unixepoch('now') - unixepoch(n.taken_at), 0) AS age,
           l.warning_at,
           l.critical_at
    FROM newest AS n
    LEFT JOIN limits AS l ON l.kind = n.kind
)
SELECT json_object('check_name', 'backup_age', 'subject', a.station || ' ' || a.kind,
                   'status', CASE WHEN a.age IS NULL THEN 'unknown'
                                  WHEN a.doubt IS NOT NULL AND coalesce(a.age < CAST(a.warning_at AS INTEGER), 1) THEN 'warning' END,
                   'value', a.age, 'unit', 'seconds', 'warning_at', a.warning_at, 'critical_at', a.critical_at,
                   'message', iif(a.age IS NULL, 'no backup of the kind ' || a.kind || ' with a date',
                                  printf('%s of %d s ago%s%s', a.name, a.age, iif(a.verified IS NULL, ', without a receipt', ''),
                                         coalesce(', which ' || a.doubt, ''))),
                   'remedy', 'Is the disk of the backups mounted? journalctl -u "emsn-backup*"')
FROM aged AS a
UNION ALL
SELECT json_object('check_name', 'backup_age', 'subject', p.station, 'status', 'unknown',
                   'message', p.backups || ': no backup there',
                   'remedy', 'Is the disk of the backups mounted? journalctl -u "emsn-backup*"')
FROM place AS p
WHERE p.backups <> '' AND NOT EXISTS (SELECT 1 FROM newest);
