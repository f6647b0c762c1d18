-- As one line of a Nagios plugin: emsn-health --local --nagios. As health_nagios.sql: bounded, and no pipe or quote in it.
WITH rows AS (
    SELECT h.rowid AS position,
           h.status,
           h.value,
           CASE h.unit WHEN 'seconds' THEN 's' WHEN '%' THEN '%' ELSE '' END AS uom,
           h.unit = '%' AS is_share,
           h.warning_at,
           h.critical_at,
           replace(replace(replace(h.check_name || ' ' || h.subject, '|', '/'), '=', '-'), '''', '-') AS label,
           replace(h.message, '|', '/') AS message
    FROM health AS h
), data AS (
    SELECT r.position,
           rtrim(printf('''%s''=%s%s;%s;%s;0;%s', r.label, r.value, r.uom, coalesce(r.warning_at, ''),
                        coalesce(r.critical_at, ''), iif(r.is_share, '100', '')), ';') AS word
    FROM rows AS r
    WHERE r.value IS NOT NULL
), bounded AS (
    SELECT d.position,
           d.word,
           sum(length(CAST(d.word AS BLOB)) + 1) OVER (ORDER BY d.position) AS bytes
    FROM data AS d
), bad AS (
    SELECT count(*) AS number,
           group_concat(b.text, '; ') AS text
    FROM (SELECT r.status || ' ' || r.label || ': ' || r.message AS text
          FROM rows AS r
          WHERE r.status <> 'ok'
          ORDER BY r.position) AS b
)
SELECT printf('EMSN %s - %s%s',
              upper(coalesce((SELECT r.status FROM rows AS r ORDER BY r.position LIMIT 1), 'unknown')),
              CASE WHEN b.number = 0 THEN (SELECT count(*) FROM rows) || ' checks, nothing to report'
                   WHEN length(b.text) > 600 THEN substr(b.text, 1, 590) || ' ...'
                   ELSE b.text END,
              coalesce((SELECT ' | ' || group_concat(o.word, ' ')
                        FROM (SELECT d.word FROM bounded AS d WHERE d.bytes <= 1200 ORDER BY d.position) AS o), ''))
FROM bad AS b;
