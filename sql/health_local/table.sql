-- For people, as psql aligns it: emsn-health --local
WITH shown (position, status, check_name, subject, message, remedy) AS (
    VALUES (-1, 'status', 'check', 'subject', 'message', 'remedy')
    UNION ALL
    SELECT h.rowid, h.status, h.check_name, h.subject, h.message, coalesce(h.remedy, '') FROM health AS h
), wide AS (
    SELECT max(length(s.status)) AS a, max(length(s.check_name)) AS b, max(length(s.subject)) AS c,
           max(length(s.message)) AS d, max(length(s.remedy)) AS e
    FROM shown AS s
)
SELECT l.line
FROM (
    SELECT s.position,
           rtrim(printf(' %-!*s | %-!*s | %-!*s | %-!*s | %s', w.a, s.status, w.b, s.check_name, w.c, s.subject, w.d, s.message, s.remedy)) AS line
    FROM shown AS s, wide AS w
    UNION ALL
    SELECT 0, replace(printf('%*s+%*s+%*s+%*s+%*s', w.a + 2, '', w.b + 2, '', w.c + 2, '', w.d + 2, '', w.e + 2, ''), ' ', '-')
    FROM wide AS w
) AS l
ORDER BY l.position;
