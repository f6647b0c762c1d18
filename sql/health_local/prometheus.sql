-- For node_exporter's textfile collector: emsn-health --local --prometheus
-- Exposition format 0.0.4: in a label value, backslash, double quote and line feed are escaped.
WITH rows AS (
    SELECT h.rowid AS position,
           CASE h.status WHEN 'ok' THEN 0 WHEN 'warning' THEN 1 WHEN 'critical' THEN 2 ELSE 3 END AS status,
           h.value,
           printf('check_name="%s",subject="%s"', h.check_name,
                  replace(replace(replace(h.subject, '\', '\\'), '"', '\"'), char(10), '\n')) AS labels,
           h.unit
    FROM health AS h
)
SELECT l.line
FROM (
    SELECT 1 AS part, 0 AS position, '# HELP emsn_up Whether this machine answered: 1 yes, 0 no.' AS line
    UNION ALL
    SELECT 2, 0, '# TYPE emsn_up gauge'
    UNION ALL
    SELECT 3, 0, 'emsn_up 1'
    UNION ALL
    SELECT 4, 0, '# HELP emsn_health_status Status of a check: 0 ok, 1 warning, 2 critical, 3 unknown.'
    UNION ALL
    SELECT 5, 0, '# TYPE emsn_health_status gauge'
    UNION ALL
    SELECT 6, r.position, printf('emsn_health_status{%s} %d', r.labels, r.status)
    FROM rows AS r
    UNION ALL
    SELECT 7, 0, '# HELP emsn_health_value Value that a check measured, in the unit of its label.'
    UNION ALL
    SELECT 8, 0, '# TYPE emsn_health_value gauge'
    UNION ALL
    SELECT 9, r.position, printf('emsn_health_value{%s,unit="%s"} %s', r.labels, r.unit, r.value)
    FROM rows AS r
    WHERE r.value IS NOT NULL
) AS l
ORDER BY l.part, l.position;
