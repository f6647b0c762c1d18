-- The report of one station from its own birds.db, for sqlite3: the rows of emsn.report that need no server, as one JSON
-- array. Parameters: @kind (monthly, weekly), @day (any day of the period), @station (its name), @today.
-- The numbers are those of docs/reports.md, by the same definitions.
WITH RECURSIVE
  period(first_day, last_day, name, monthly) AS (
    SELECT date(@day, 'start of month'), date(@day, 'start of month', '+1 month', '-1 day'), strftime('%Y-%m', @day), 1
    WHERE @kind = 'monthly'
    UNION ALL
    -- the week has the number and the year of its Thursday
    SELECT date(@day, '-6 days', 'weekday 1'), date(@day, 'weekday 0'),
           strftime('%Y', @day, '-3 days', 'weekday 4') || '-W'
             || printf('%02d', (strftime('%j', @day, '-3 days', 'weekday 4') + 6) / 7), 0
    WHERE @kind = 'weekly'
  ),
  spans(first_day, last_day, name, monthly, previous_first, previous_last, year_ago_first, year_ago_last, window_first) AS (
    SELECT p.first_day, p.last_day, p.name, p.monthly,
           date(p.first_day, iif(p.monthly, '-1 month', '-7 days')),
           date(p.first_day, '-1 day'),
           date(p.first_day, iif(p.monthly, '-1 year', '-364 days')),
           iif(p.monthly, date(p.first_day, '-1 year', '+1 month', '-1 day'), date(p.first_day, '-358 days')),
           date(p.first_day, iif(p.monthly, '-1 month', '-28 days'))
    FROM period AS p
  ),
  p AS MATERIALIZED (SELECT * FROM spans),
  -- one read of the period, and one of the time before it
  hours AS MATERIALIZED (
    SELECT d.Date AS day, CAST(substr(d.Time, 1, 2) AS INTEGER) AS hour, d.Sci_Name AS species, count(*) AS detections
    FROM p
    JOIN detections AS d ON d.Date BETWEEN p.first_day AND p.last_day
    GROUP BY 1, 2, 3
  ),
  before AS MATERIALIZED (
    SELECT d.Date AS day, d.Sci_Name AS species, count(*) AS detections
    FROM p
    JOIN detections AS d ON d.Date BETWEEN p.window_first AND p.previous_last
    GROUP BY 1, 2
  ),
  days AS MATERIALIZED (SELECT day, species, sum(detections) AS detections FROM hours GROUP BY day, species),
  clock AS MATERIALIZED (SELECT day, hour, sum(detections) AS detections FROM hours GROUP BY day, hour),
  counted AS MATERIALIZED (
    SELECT 0 AS span, day, species, detections FROM days
    UNION ALL
    SELECT 1, b.day, b.species, b.detections FROM p JOIN before AS b ON b.day >= p.previous_first
    UNION ALL
    SELECT 2, d.Date, d.Sci_Name, count(*)
    FROM p
    JOIN detections AS d ON d.Date BETWEEN p.year_ago_first AND p.year_ago_last
    GROUP BY d.Date, d.Sci_Name
  ),
  by_span AS (
    SELECT s.value AS span, coalesce(sum(c.detections), 0) AS detections, count(DISTINCT c.species) AS species,
           count(DISTINCT c.day) AS days, count(c.day) > 0 AS stations
    FROM json_each('[0, 1, 2]') AS s
    LEFT JOIN counted AS c ON c.span = s.value
    GROUP BY s.value
  ),
  totals AS MATERIALIZED (
    SELECT 1 AS number, 'detections' AS label, 'detections' AS unit, span, detections AS value FROM by_span
    UNION ALL
    SELECT 2, 'species', 'species', span, species FROM by_span
    UNION ALL
    SELECT 3, 'days_with_data', 'days', span, days FROM by_span
    UNION ALL
    SELECT 4, 'stations', 'stations', span, stations FROM by_span
  ),
  species AS MATERIALIZED (
    SELECT c.species,
           sum(c.detections) FILTER (WHERE c.span = 0) AS detections,
           coalesce(sum(c.detections) FILTER (WHERE c.span = 1), 0) AS previous,
           coalesce(sum(c.detections) FILTER (WHERE c.span = 2), 0) AS year_ago,
           count(DISTINCT c.day) FILTER (WHERE c.span = 0) AS days,
           min(c.day) FILTER (WHERE c.span = 0) AS first_day,
           min(c.day) FILTER (WHERE c.span = 0 AND substr(c.day, 1, 4) > substr(p.first_day, 1, 4)) AS first_day_of_next_year
    FROM p
    CROSS JOIN counted AS c
    WHERE c.species IS NOT NULL
    GROUP BY c.species
    HAVING sum(c.span = 0) > 0
  ),
  names AS MATERIALIZED (
    -- the bare column comes from the row of the maximum, where that is the only one
    SELECT d.Sci_Name AS species, d.Com_Name AS name, max(d.Date || ' ' || d.Time)
    FROM p
    JOIN detections AS d ON d.Date BETWEEN p.first_day AND p.last_day
    GROUP BY d.Sci_Name
  ),
  history AS MATERIALIZED (
    SELECT d.Sci_Name AS species, min(d.Date) AS first_ever,
           min(iif(d.Date >= substr(p.first_day, 1, 4) || '-01-01', d.Date, NULL)) AS first_of_year
    FROM p
    JOIN detections AS d ON d.Date <= p.last_day
    WHERE d.Sci_Name IN (SELECT species FROM species)
    GROUP BY d.Sci_Name
  ),
  recent AS (
    SELECT species, sum(detections) AS detections
    FROM (SELECT species, detections FROM days
          UNION ALL
          SELECT b.species, b.detections FROM p JOIN before AS b ON NOT p.monthly AND b.day > date(p.last_day, '-28 days'))
    GROUP BY species
  ),
  named AS MATERIALIZED (
    SELECT s.*, coalesce(nullif(c.name, ''), s.species) AS label, h.first_ever >= p.first_day AS is_new,
           coalesce(h.first_of_year >= p.first_day, 1) AS is_first, r.detections AS recently
    FROM p
    CROSS JOIN species AS s
    LEFT JOIN names AS c ON c.species = s.species
    LEFT JOIN history AS h ON h.species = s.species
    LEFT JOIN recent AS r ON r.species = s.species
  ),
  calendar(day) AS (
    SELECT p.window_first FROM p
    UNION ALL
    SELECT date(c.day, '+1 day') FROM calendar AS c JOIN p ON c.day < p.last_day
  ),
  station_days AS MATERIALIZED (
    SELECT c.day, coalesce(sum(u.detections), 0) AS detections, count(u.species) AS species
    FROM calendar AS c
    LEFT JOIN (SELECT day, species, detections FROM days UNION ALL SELECT day, species, detections FROM before) AS u
      ON u.day = c.day
    GROUP BY c.day
  ),
  -- the median of the last 14 days before with any detection, within 28 days; of 5 at least
  last_days AS (
    SELECT c.day, b.detections, row_number() OVER (PARTITION BY c.day ORDER BY b.day DESC) AS number
    FROM p
    JOIN station_days AS c ON c.day >= p.first_day
    JOIN station_days AS b ON b.day < c.day AND b.day >= date(c.day, '-28 days') AND b.detections > 0
  ),
  ranked AS (
    SELECT day, detections, row_number() OVER (PARTITION BY day ORDER BY detections) AS number, count(*) OVER (PARTITION BY day) AS n
    FROM last_days
    WHERE number <= 14
  ),
  usual AS MATERIALIZED (
    SELECT day, round(avg(detections), 1) AS usual
    FROM ranked
    WHERE n >= 5 AND number IN ((n + 1) / 2, (n + 2) / 2)
    GROUP BY day
  ),
  active AS (
    SELECT h.hour, count(DISTINCT h.day) AS days, n.days_with_data
    FROM hours AS h
    CROSS JOIN (SELECT count(DISTINCT day) AS days_with_data FROM days) AS n
    GROUP BY h.hour
  ),
  weeks AS (
    SELECT strftime('%Y', c.day, '-3 days', 'weekday 4') || '-W'
             || printf('%02d', (strftime('%j', c.day, '-3 days', 'weekday 4') + 6) / 7) AS name, c.day
    FROM p
    JOIN calendar AS c ON c.day >= p.first_day
  ),
  result(source, section, position, label, value, unit, detail) AS (
    SELECT 1, 'period', 1, p.name, julianday(p.last_day) - julianday(p.first_day) + 1, 'days',
           json_object('kind', @kind, 'first_day', p.first_day, 'last_day', p.last_day, 'previous_first', p.previous_first,
                       'previous_last', p.previous_last, 'year_ago_first', p.year_ago_first, 'year_ago_last', p.year_ago_last,
                       'station', @station, 'complete', json(iif(p.last_day < @today, 'true', 'false')))
    FROM p
    UNION ALL
    SELECT 2, 'totals', t.number, t.label, t.value, t.unit,
           json_object('previous', b.value, 'change_percent', round(1000.0 * (t.value - b.value) / nullif(b.value, 0)) / 10,
                       'year_ago', y.value,
                       'year_ago_change_percent', round(1000.0 * (t.value - y.value) / nullif(y.value, 0)) / 10)
    FROM totals AS t
    JOIN totals AS b ON b.label = t.label AND b.span = 1
    JOIN totals AS y ON y.label = t.label AND y.span = 2
    WHERE t.span = 0
    UNION ALL
    SELECT * FROM (
      SELECT 3, 'top_species', row_number() OVER (ORDER BY n.detections DESC, n.species) AS number, n.label, n.detections,
             'detections',
             json_object('species', n.species, 'days', n.days, 'previous', n.previous, 'year_ago', n.year_ago, 'share_percent',
                         round(1000.0 * n.detections / (SELECT value FROM totals WHERE label = 'detections' AND span = 0)) / 10)
      FROM named AS n)
    WHERE number <= 15
    UNION ALL
    SELECT 4, 'new_species', row_number() OVER (ORDER BY n.first_day, n.species), n.label, n.detections, 'detections',
           json_object('species', n.species, 'first_day', n.first_day)
    FROM named AS n
    WHERE n.is_new
    UNION ALL
    SELECT 5, 'rare_species', row_number() OVER (ORDER BY n.recently, n.species), n.label, n.recently, 'detections',
           json_object('species', n.species, 'days', n.days, 'first_day', n.first_day)
    FROM named AS n
    WHERE n.recently <= 10
    UNION ALL
    SELECT 6, 'first_of_year', row_number() OVER (ORDER BY f.day, f.species), f.label, f.detections, 'detections',
           json_object('species', f.species, 'first_day', f.day)
    FROM (SELECT n.species, n.label, n.detections, n.first_day AS day
          FROM p
          JOIN named AS n ON n.is_first AND substr(n.first_day, 1, 4) = substr(p.first_day, 1, 4)
          UNION ALL
          SELECT n.species, n.label, n.detections, n.first_day_of_next_year
          FROM named AS n
          WHERE n.first_day_of_next_year IS NOT NULL) AS f
    UNION ALL
    SELECT * FROM (SELECT 7, 'busiest', 1, 'day', sum(detections) AS n, 'detections', json_object('day', day)
                   FROM clock GROUP BY day ORDER BY n DESC, day LIMIT 1)
    UNION ALL
    SELECT * FROM (SELECT 7, 'busiest', 2, 'hour', detections, 'detections', json_object('day', day, 'hour', hour)
                   FROM clock ORDER BY detections DESC, day, hour LIMIT 1)
    UNION ALL
    SELECT * FROM (SELECT 7, 'busiest', 3, 'hour_of_day', sum(detections) AS n, 'detections', json_object('hour', hour)
                   FROM clock GROUP BY hour ORDER BY n DESC, hour LIMIT 1)
    UNION ALL
    SELECT 8, 'hour_by_day', row_number() OVER (ORDER BY c.day), c.day, iif(c.day <= @today, c.detections, NULL), 'detections',
           json_object('hours', json(c.hours))
    FROM (SELECT c.day, coalesce(sum(k.detections), 0) AS detections, json_group_array(coalesce(k.detections, 0)) AS hours
          FROM p
          JOIN (SELECT c.day, h.value AS hour
                FROM calendar AS c
                CROSS JOIN json_each('[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23]') AS h
                ORDER BY c.day, h.value) AS c ON c.day >= p.first_day
          LEFT JOIN clock AS k ON k.day = c.day AND k.hour = c.hour
          GROUP BY c.day) AS c
    UNION ALL
    SELECT 9, 'by_day', row_number() OVER (ORDER BY s.day), s.day, iif(s.day <= @today, s.detections, NULL), 'detections',
           json_object('station', @station, 'species', s.species, 'usual', u.usual)
    FROM p
    JOIN station_days AS s ON s.day >= p.first_day
    LEFT JOIN usual AS u ON u.day = s.day
    UNION ALL
    SELECT 10, 'by_week', row_number() OVER (ORDER BY min(w.day)), w.name, coalesce(sum(d.detections), 0), 'detections',
           json_object('first_day', min(w.day), 'last_day', max(w.day), 'species', count(DISTINCT d.species),
                       'days_with_data', count(DISTINCT d.day))
    FROM weeks AS w
    LEFT JOIN days AS d ON d.day = w.day
    GROUP BY w.name
    UNION ALL
    SELECT 11, 'data_quality', 1, 'days_without_data', count(*), 'days', json_object('station', @station)
    FROM p
    JOIN station_days AS s ON s.day >= p.first_day AND s.day <= @today AND s.detections = 0
    UNION ALL
    SELECT 11, 'data_quality', 2, 'silent_hours', coalesce(sum(a.days_with_data - a.days), 0), 'hours',
           json_object('station', @station)
    FROM active AS a
    WHERE 2 * a.days >= a.days_with_data
  )
SELECT json_group_array(json_object('section', section, 'position', position, 'label', label, 'value', value, 'unit', unit,
                                    'detail', json(detail)))
FROM (SELECT * FROM result ORDER BY source, position);
