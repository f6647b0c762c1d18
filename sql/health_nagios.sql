-- The health answer as one line of a Nagios plugin: psql -f sql/health_nagios.sql
-- EMSN STATUS - the worst messages | performance data. Nagios cuts at 4 kB: the text is bounded to 600 characters, the
-- data to 1200. A pipe ends the text and a quote a label, so neither stands in them.
-- nobody's function of the same name is taken for PostgreSQL's own
SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false) \g /dev/null
\pset format unaligned
\pset tuples_only on
WITH rows AS (
    SELECT pg_catalog.row_number() OVER () AS position,
           h.status,
           h.value,
           translate(regexp_replace(h.check_name || ' ' || h.subject, '[[:space:][:cntrl:]]+', ' ', 'g'), '|=''', '/--') AS label,
           replace(regexp_replace(h.message, '[[:space:][:cntrl:]]+', ' ', 'g'), '|', '/') AS message,
           CASE h.unit WHEN 'seconds' THEN 's' WHEN '%' THEN '%' WHEN 'bytes' THEN 'B' ELSE '' END AS unit
    FROM emsn.health AS h
), data AS (
    SELECT r.position,
           format('''%s''=%s%s', r.label, r.value, r.unit) AS word
    FROM rows AS r
    WHERE r.value IS NOT NULL
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
