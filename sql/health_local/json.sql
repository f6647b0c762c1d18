-- As one JSON array of objects: emsn-health --local --json
SELECT coalesce('[' || group_concat(o.object, ', ' || char(10) || ' ') || ']', '[]')
FROM (
    SELECT json_object('check_name', h.check_name, 'subject', h.subject, 'status', h.status, 'value', h.value,
                       'unit', h.unit, 'warning_at', h.warning_at, 'critical_at', h.critical_at, 'message', h.message,
                       'remedy', h.remedy, 'measured_at', h.measured_at) AS object
    FROM health AS h
    ORDER BY h.rowid
) AS o;
