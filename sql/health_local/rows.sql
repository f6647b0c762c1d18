-- The rows of emsn-health --local, the worst first, in the columns of the view emsn.health. found: one row, its text a
-- JSON array of what the checks said; one that says no status is judged by its limits.
CREATE TEMP TABLE health AS
SELECT j.check_name,
       j.subject,
       j.status,
       j.value,
       j.unit,
       j.warning_at,
       j.critical_at,
       replace(replace(j.message, char(10), ' '), char(13), ' ') AS message,
       iif(j.status <> 'ok', j.remedy, NULL) AS remedy,
       strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now') AS measured_at
FROM (
    SELECT r.value ->> 'check_name' AS check_name,
           r.value ->> 'subject' AS subject,
           coalesce(r.value ->> 'status',
                    CASE WHEN r.value ->> 'value' >= CAST(r.value ->> 'critical_at' AS REAL) THEN 'critical'
                         WHEN r.value ->> 'value' >= CAST(r.value ->> 'warning_at' AS REAL) THEN 'warning'
                         ELSE 'ok' END) AS status,
           r.value ->> 'value' AS value,
           r.value ->> 'unit' AS unit,
           r.value ->> 'warning_at' AS warning_at,
           r.value ->> 'critical_at' AS critical_at,
           r.value ->> 'message' AS message,
           r.value ->> 'remedy' AS remedy
    FROM found AS f
    JOIN json_each(f.text) AS r
) AS j
ORDER BY CASE j.status WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 WHEN 'unknown' THEN 2 ELSE 3 END, j.check_name, j.subject;
