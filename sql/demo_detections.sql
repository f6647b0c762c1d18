-- Thirty days of detections that look like a station's: for sqlite3, after birds_schema.sql, with the parameters
-- @rows (how many), @until_hours_ago (when the station fell silent; 0: never) and @latitude.
-- Most at dawn, some at any hour; a few species make most of the noise.
INSERT INTO detections
WITH RECURSIVE
  species(rank, scientific, common) AS (VALUES
    (0, 'Turdus merula', 'Eurasian Blackbird'), (1, 'Parus major', 'Great Tit'),
    (2, 'Erithacus rubecula', 'European Robin'), (3, 'Cyanistes caeruleus', 'Eurasian Blue Tit'),
    (4, 'Passer domesticus', 'House Sparrow'), (5, 'Fringilla coelebs', 'Common Chaffinch'),
    (6, 'Columba palumbus', 'Common Wood-Pigeon'), (7, 'Corvus monedula', 'Eurasian Jackdaw'),
    (8, 'Strix aluco', 'Tawny Owl'), (9, 'Alcedo atthis', 'Common Kingfisher')),
  numbers(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < @rows),
  -- abs(random() % k) squared over k leans towards 0: towards the common species, and towards dawn (6 h)
  moments(n, unix, rank) AS MATERIALIZED (
    SELECT n,
           unixepoch('now', 'localtime', 'start of day', 'utc', '-' || abs(random() % 30) || ' days') + 6 * 3600
             + CASE WHEN n % 4 = 0 THEN abs(random() % 86400) - 6 * 3600
                    ELSE abs(random() % 1000) * abs(random() % 1000) * 54000 / 1000000 + abs(random() % 3600) END,
           abs(random() % 10) * abs(random() % 10) / 9
    FROM numbers)
SELECT date(m.unix, 'unixepoch', 'localtime'), time(m.unix, 'unixepoch', 'localtime'), s.scientific, s.common,
       round(0.7 + abs(random() % 2900) / 10000.0, 4), @latitude, 5.2, 0.7,
       CAST(strftime('%W', m.unix, 'unixepoch') AS INTEGER) + 1, 1.25, 0.0,
       replace(s.common, ' ', '_') || '-' || m.n || '.mp3'
FROM moments AS m
JOIN species AS s ON s.rank = m.rank
WHERE m.unix < unixepoch('now', '-' || @until_hours_ago || ' hours')
ORDER BY m.unix;
