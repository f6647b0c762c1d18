-- The health answer for node_exporter's textfile collector: psql -f sql/health_prometheus.sql
-- Exposition format 0.0.4: in a label value, backslash, double quote and line feed are escaped.
-- nobody's function of the same name is taken for PostgreSQL's own
SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false) \g /dev/null
\pset format unaligned
\pset tuples_only on
WITH rows AS (
    SELECT pg_catalog.row_number() OVER () AS position,
           array_position(ARRAY['ok', 'warning', 'critical', 'unknown'], h.status) - 1 AS status,
           h.value,
           format('check_name="%s",subject="%s"', e.check_name, e.subject) AS labels,
           e.unit
    FROM emsn.health AS h
    CROSS JOIN LATERAL (
        SELECT replace(replace(replace(h.check_name, '\', '\\'), '"', '\"'), E'\n', '\n') AS check_name,
               replace(replace(replace(h.subject, '\', '\\'), '"', '\"'), E'\n', '\n') AS subject,
               replace(replace(replace(h.unit, '\', '\\'), '"', '\"'), E'\n', '\n') AS unit
    ) AS e
), lines AS (
    SELECT 1 AS part, 0 AS position, '# HELP emsn_up Whether the server answered: 1 yes, 0 no.' AS line
    UNION ALL
    SELECT 2, 0, '# TYPE emsn_up gauge'
    UNION ALL
    SELECT 3, 0, 'emsn_up 1'
    UNION ALL
    SELECT 4, 0, '# HELP emsn_health_status Status of a check: 0 ok, 1 warning, 2 critical, 3 unknown.'
    UNION ALL
    SELECT 5, 0, '# TYPE emsn_health_status gauge'
    UNION ALL
    SELECT 6, r.position, format('emsn_health_status{%s} %s', r.labels, r.status)
    FROM rows AS r
    UNION ALL
    SELECT 7, 0, '# HELP emsn_health_value Value that a check measured, in the unit of its label.'
    UNION ALL
    SELECT 8, 0, '# TYPE emsn_health_value gauge'
    UNION ALL
    SELECT 9, r.position, format('emsn_health_value{%s,unit="%s"} %s', r.labels, r.unit, r.value)
    FROM rows AS r
    WHERE r.value IS NOT NULL
)
SELECT l.line
FROM lines AS l
ORDER BY l.part, l.position;
