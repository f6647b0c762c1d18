-- The health answer as one line of a Nagios plugin: psql -f sql/health_nagios.sql
-- EMSN STATUS - the worst messages | 'label'=value[UOM];warn;crit;min;max ...   See the Monitoring Plugins' guidelines.
-- Nagios cuts at 4 kB: the text is bounded to 600 characters, the data to 1200 bytes. A pipe ends the text and a quote
-- a label, so neither stands in them. Times are told in s. A limit that is a share of what is not known here (of what is
-- usual, say) is left empty; @0:N is the range of a value that is bad when low.
-- nobody's function of the same name is taken for PostgreSQL's own
SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false) \g /dev/null
\pset format unaligned
\pset tuples_only on
WITH rows AS (
    SELECT pg_catalog.row_number() OVER () AS position,
           h.check_name,
           h.status,
           h.value,
           h.unit,
           h.warning_at,
           h.critical_at,
           translate(regexp_replace(h.check_name || ' ' || h.subject, '[[:space:][:cntrl:]]+', ' ', 'g'), '|=''', '/--') AS label,
           replace(regexp_replace(h.message, '[[:space:][:cntrl:]]+', ' ', 'g'), '|', '/') AS message
    FROM emsn.health AS h
), measured AS (
    SELECT r.position,
           r.label,
           r.value * f.factor AS value,
           r.check_name = 'detections_today' AS bad_when_low,
           r.warning_at,
           r.critical_at,
           f.factor,
           f.uom,
           w.whole
    FROM rows AS r
    CROSS JOIN LATERAL (
        SELECT coalesce(u.uom, '') AS uom,
               coalesce(u.factor, 1) AS factor
        FROM (SELECT) AS one
        LEFT JOIN (VALUES ('seconds', 's', 1), ('minutes', 's', 60), ('hours', 's', 3600), ('days', 's', 86400),
                          ('%', '%', 1), ('bytes', 'B', 1)) AS u (unit, uom, factor) ON u.unit = r.unit
    ) AS f
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN r.unit = '%' THEN 100
            WHEN r.check_name = 'connections' THEN (SELECT c.max_connections - c.reserved FROM emsn.connections AS c)
        END AS whole
    ) AS w
    WHERE r.value IS NOT NULL
), bounds AS (
    SELECT m.position,
           l.level,
           CASE WHEN m.bad_when_low THEN '@0:' ELSE '' END || trim_scale(m.factor * CASE
               WHEN l.bound LIKE '-%\%' THEN m.whole * (1 + rtrim(l.bound, '%')::numeric / 100)
               WHEN l.bound LIKE '-%' THEN m.whole + l.bound::numeric
               WHEN l.bound LIKE '%\%' THEN m.whole * rtrim(l.bound, '%')::numeric / 100
               ELSE l.bound::numeric
           END) AS range
    FROM measured AS m
    CROSS JOIN LATERAL (VALUES ('warning', m.warning_at), ('critical', m.critical_at)) AS l (level, bound)
), data AS (
    SELECT m.position,
           rtrim(format('''%s''=%s%s;%s;%s;0;%s', m.label, trim_scale(m.value), m.uom, w.range, c.range, m.whole), ';') AS word
    FROM measured AS m
    JOIN bounds AS w ON w.position = m.position AND w.level = 'warning'
    JOIN bounds AS c ON c.position = m.position AND c.level = 'critical'
), bounded AS (
    SELECT d.position,
           d.word,
           sum(octet_length(d.word) + 1) OVER (ORDER BY d.position) AS bytes
    FROM data AS d
)
SELECT format('EMSN %s - %s%s',
              upper((SELECT r.status FROM rows AS r ORDER BY r.position LIMIT 1)),
              CASE
                  WHEN bad.number = 0 THEN format('%s checks, nothing to report', (SELECT count(*) FROM rows))
                  WHEN length(bad.text) > 600 THEN left(bad.text, 590) || ' ...'
                  ELSE bad.text
              END,
              (SELECT ' | ' || string_agg(b.word, ' ' ORDER BY b.position) FROM bounded AS b WHERE b.bytes <= 1200))
FROM (
    SELECT count(*) AS number,
           string_agg(format('%s %s: %s', r.status, r.label, r.message), '; ' ORDER BY r.position) AS text
    FROM rows AS r
    WHERE r.status <> 'ok'
) AS bad;
