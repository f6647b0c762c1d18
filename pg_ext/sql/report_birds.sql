-- The part of a report that is about birds: one read of the period, one of the time before it, one of a year ago, and
-- everything else from these counts.

-- usual: the median of the last 14 days before with any detection, within 28 days; NULL with fewer than 5 of them, as in
-- emsn.detections_today.
CREATE FUNCTION emsn.report_usual(counts bigint[]) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN count(*) >= 5
                THEN trim_scale(round(percentile_cont(0.5) WITHIN GROUP (ORDER BY c.detections)::numeric, 1)) END
    FROM unnest(counts[greatest(cardinality(counts) - 13, 1):]) AS c (detections)
$$;
COMMENT ON FUNCTION emsn.report_usual(bigint[]) IS 'Median of the last 14 counts; NULL with fewer than 5.';

-- rare: at most 10 in the month, or in the four weeks that end with the week.
CREATE FUNCTION emsn.report_birds(kind text, period date, station text) RETURNS SETOF emsn.report_row
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 500
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    p CONSTANT record := emsn.report_period(report_birds.kind, report_birds.period);
    only_station CONSTANT text := report_birds.station;
    monthly CONSTANT boolean := report_birds.kind = 'monthly';
    shown_species CONSTANT integer := 15;
    rare_up_to CONSTANT integer := 10;
    -- a month before has 28 days at least
    window_first CONSTANT date := CASE WHEN monthly THEN p.previous_first ELSE p.first_day - 28 END;
BEGIN
    RETURN QUERY
    WITH known AS MATERIALIZED (
        SELECT k.station, k.today
        FROM emsn.known_stations() AS k
        WHERE only_station IS NULL OR k.station = only_station
    ), hours AS MATERIALIZED (
        SELECT h.station, h.day, h.hour, h.species, h.detections
        FROM emsn.detections_by_hour(p.first_day, p.last_day, only_station) AS h
    ), before AS MATERIALIZED (
        SELECT b.station, b.day, b.species, b.detections
        FROM emsn.detections_by_species(window_first, p.previous_last, only_station) AS b
    ), year_ago AS MATERIALIZED (
        SELECT y.station, y.day, y.species, y.detections
        FROM emsn.detections_by_species(p.year_ago_first, p.year_ago_last, only_station) AS y
    ), days AS MATERIALIZED (
        SELECT h.station, h.day, h.species, sum(h.detections)::bigint AS detections
        FROM hours AS h
        GROUP BY h.station, h.day, h.species
    ), clock AS MATERIALIZED (
        SELECT h.day, h.hour, sum(h.detections)::bigint AS detections
        FROM hours AS h
        GROUP BY h.day, h.hour
    ), calendar AS MATERIALIZED (
        SELECT p.first_day + n AS day,
               p.first_day + n <= coalesce((SELECT max(k.today) FROM known AS k), current_date) AS is_over
        FROM generate_series(0, p.last_day - p.first_day) AS n
    ), spans AS MATERIALIZED (
        SELECT 0 AS span, d.station, d.day, d.species, d.detections FROM days AS d
        UNION ALL
        SELECT 1, b.station, b.day, b.species, b.detections FROM before AS b WHERE b.day >= p.previous_first
        UNION ALL
        SELECT 2, y.station, y.day, y.species, y.detections FROM year_ago AS y
    -- hundreds of stations make many counts: they are summed up before anything distinct is looked for
    ), day_species AS MATERIALIZED (
        SELECT s.span, s.day, s.species, sum(s.detections) AS detections
        FROM spans AS s
        GROUP BY s.span, s.day, s.species
    ), station_species AS MATERIALIZED (
        SELECT s.span, s.station, s.species, sum(s.detections) AS detections
        FROM spans AS s
        GROUP BY s.span, s.station, s.species
    ), by_span AS (
        SELECT s.span,
               sum(s.detections) AS detections,
               count(DISTINCT s.species) AS species,
               count(DISTINCT s.day) AS days,
               (SELECT count(DISTINCT t.station) FROM station_species AS t WHERE t.span = s.span) AS stations
        FROM day_species AS s
        GROUP BY s.span
    ), totals AS (
        SELECT t.number, t.label, t.unit,
               coalesce(sum(t.value) FILTER (WHERE t.span = 0), 0) AS value,
               coalesce(sum(t.value) FILTER (WHERE t.span = 1), 0) AS previous,
               coalesce(sum(t.value) FILTER (WHERE t.span = 2), 0) AS year_ago
        FROM (
            SELECT l.number, l.label, l.unit, b.span, l.value
            FROM (SELECT generate_series(0, 2) AS span) AS g
            LEFT JOIN by_span AS b ON b.span = g.span
            CROSS JOIN LATERAL (VALUES (1, 'detections', 'detections', b.detections), (2, 'species', 'species', b.species),
                                       (3, 'days_with_data', 'days', b.days), (4, 'stations', 'stations', b.stations))
                AS l (number, label, unit, value)
        ) AS t
        GROUP BY t.number, t.label, t.unit
    ), species AS MATERIALIZED (
        SELECT s.species,
               sum(s.detections) FILTER (WHERE s.span = 0) AS detections,
               coalesce(sum(s.detections) FILTER (WHERE s.span = 1), 0) AS previous,
               coalesce(sum(s.detections) FILTER (WHERE s.span = 2), 0) AS year_ago,
               count(*) FILTER (WHERE s.span = 0) AS days,
               min(s.day) FILTER (WHERE s.span = 0) AS first_day,
               min(s.day) FILTER (WHERE s.span = 0 AND extract(year FROM s.day) > extract(year FROM p.first_day))
                   AS first_day_of_next_year
        FROM day_species AS s
        WHERE s.species IS NOT NULL
        GROUP BY s.species
        HAVING bool_or(s.span = 0)
    ), recent AS (
        SELECT r.species, sum(r.detections) AS detections
        FROM (SELECT d.species, d.detections FROM day_species AS d WHERE d.span = 0
              UNION ALL
              SELECT b.species, b.detections FROM before AS b WHERE NOT monthly AND b.day > p.last_day - 28) AS r
        GROUP BY r.species
    ), named AS MATERIALIZED (
        SELECT s.*,
               coalesce(nullif(h.common_name, ''), s.species) AS label,
               NOT coalesce(h.heard_before, false) AS is_new,
               NOT coalesce(h.heard_this_year, false) AS is_first,
               r.detections AS recently
        FROM species AS s
        LEFT JOIN emsn.species_history((SELECT array_agg(n.species) FROM species AS n), p.first_day, p.last_day, only_station)
            AS h ON h.species = s.species
        LEFT JOIN recent AS r ON r.species = s.species
    ), station_days AS MATERIALIZED (
        SELECT u.station, u.day, sum(u.detections)::bigint AS detections, count(u.species) AS species
        FROM (SELECT d.station, d.day, d.species, d.detections FROM days AS d
              UNION ALL
              SELECT b.station, b.day, b.species, b.detections FROM before AS b) AS u
        GROUP BY u.station, u.day
    ), heard AS MATERIALIZED (
        SELECT s.station, count(*) AS days
        FROM station_days AS s
        WHERE s.day >= p.first_day
        GROUP BY s.station
    ), usual AS MATERIALIZED (
        SELECT k.station, c.day, c.day <= k.today AS is_over, coalesce(s.detections, 0) AS detections,
               coalesce(s.species, 0) AS species,
               array_agg(s.detections) FILTER (WHERE s.detections > 0) OVER (
                   PARTITION BY k.station ORDER BY c.day::timestamp
                   RANGE BETWEEN interval '28 days' PRECEDING AND interval '1 day' PRECEDING) AS counts
        FROM known AS k
        CROSS JOIN (SELECT window_first + n AS day FROM generate_series(0, p.last_day - window_first) AS n) AS c
        LEFT JOIN station_days AS s ON s.station = k.station AND s.day = c.day
    )
    SELECT 'period', 1, p.name, (p.last_day - p.first_day + 1)::numeric, 'days',
           jsonb_build_object('kind', report_birds.kind, 'first_day', p.first_day, 'last_day', p.last_day,
                              'previous_first', p.previous_first, 'previous_last', p.previous_last,
                              'year_ago_first', p.year_ago_first, 'year_ago_last', p.year_ago_last,
                              'station', only_station,
                              'complete', p.last_day < coalesce((SELECT min(k.today) FROM known AS k), current_date))
    UNION ALL
    SELECT 'totals', t.number, t.label, t.value, t.unit,
           jsonb_build_object('previous', t.previous, 'change_percent', emsn.change_percent(t.value, t.previous),
                              'year_ago', t.year_ago, 'year_ago_change_percent', emsn.change_percent(t.value, t.year_ago))
    FROM totals AS t
    UNION ALL
    (SELECT 'top_species', row_number() OVER (ORDER BY n.detections DESC, n.species COLLATE "C")::integer, n.label,
            n.detections, 'detections',
            jsonb_build_object('species', n.species, 'days', n.days, 'previous', n.previous, 'year_ago', n.year_ago,
                               'share_percent', trim_scale(round(1000 * n.detections
                                   / (SELECT t.value FROM totals AS t WHERE t.label = 'detections')) / 10))
     FROM named AS n
     ORDER BY 2
     LIMIT shown_species)
    UNION ALL
    SELECT 'new_species', row_number() OVER (ORDER BY n.first_day, n.species COLLATE "C")::integer, n.label, n.detections,
           'detections', jsonb_build_object('species', n.species, 'first_day', n.first_day)
    FROM named AS n
    WHERE n.is_new
    UNION ALL
    SELECT 'rare_species', row_number() OVER (ORDER BY n.recently, n.species COLLATE "C")::integer, n.label, n.recently,
           'detections', jsonb_build_object('species', n.species, 'days', n.days, 'first_day', n.first_day)
    FROM named AS n
    WHERE n.recently <= rare_up_to
    UNION ALL
    SELECT 'first_of_year', row_number() OVER (ORDER BY f.day, n.species COLLATE "C")::integer, n.label, n.detections,
           'detections', jsonb_build_object('species', n.species, 'first_day', f.day)
    FROM named AS n
    CROSS JOIN LATERAL (SELECT n.first_day
                        WHERE n.is_first AND extract(year FROM n.first_day) = extract(year FROM p.first_day)
                        UNION ALL
                        SELECT n.first_day_of_next_year WHERE n.first_day_of_next_year IS NOT NULL) AS f (day)
    UNION ALL
    (SELECT 'busiest', 1, 'day', sum(c.detections), 'detections', jsonb_build_object('day', c.day)
     FROM clock AS c GROUP BY c.day ORDER BY 4 DESC, c.day LIMIT 1)
    UNION ALL
    (SELECT 'busiest', 2, 'hour', c.detections::numeric, 'detections', jsonb_build_object('day', c.day, 'hour', c.hour)
     FROM clock AS c ORDER BY c.detections DESC, c.day, c.hour LIMIT 1)
    UNION ALL
    (SELECT 'busiest', 3, 'hour_of_day', sum(c.detections), 'detections', jsonb_build_object('hour', c.hour)
     FROM clock AS c GROUP BY c.hour ORDER BY 4 DESC, c.hour LIMIT 1)
    UNION ALL
    SELECT 'hour_by_day', (c.day - p.first_day + 1)::integer, c.day::text,
           CASE WHEN c.is_over THEN coalesce(sum(k.detections), 0) END, 'detections',
           jsonb_build_object('hours', jsonb_agg(coalesce(k.detections, 0) ORDER BY h.hour))
    FROM calendar AS c
    CROSS JOIN generate_series(0, 23) AS h (hour)
    LEFT JOIN clock AS k ON k.day = c.day AND k.hour = h.hour
    GROUP BY c.day, c.is_over
    UNION ALL
    SELECT 'by_day', row_number() OVER (ORDER BY u.station COLLATE "C", u.day)::integer, u.day::text,
           CASE WHEN u.is_over THEN u.detections END, 'detections',
           jsonb_build_object('station', u.station, 'species', u.species, 'usual', emsn.report_usual(u.counts))
    FROM usual AS u
    WHERE u.day >= p.first_day
    UNION ALL
    SELECT 'by_week', row_number() OVER (ORDER BY min(c.day))::integer, to_char(c.day, 'IYYY-"W"IW'),
           coalesce(sum(d.detections), 0), 'detections',
           jsonb_build_object('first_day', min(c.day), 'last_day', max(c.day), 'species', count(DISTINCT d.species),
                              'days_with_data', count(DISTINCT d.day))
    FROM calendar AS c
    LEFT JOIN day_species AS d ON d.day = c.day AND d.span = 0
    GROUP BY to_char(c.day, 'IYYY-"W"IW')
    UNION ALL
    SELECT 'by_station', row_number() OVER (ORDER BY k.station COLLATE "C")::integer, k.station,
           coalesce(sum(s.detections) FILTER (WHERE s.span = 0), 0), 'detections',
           jsonb_build_object('species', count(s.species) FILTER (WHERE s.span = 0),
                              'days_with_data', coalesce(max(h.days), 0),
                              'previous', coalesce(sum(s.detections) FILTER (WHERE s.span = 1), 0),
                              'year_ago', coalesce(sum(s.detections) FILTER (WHERE s.span = 2), 0))
    FROM known AS k
    LEFT JOIN station_species AS s ON s.station = k.station
    LEFT JOIN heard AS h ON h.station = k.station
    WHERE only_station IS NULL
    GROUP BY k.station
    UNION ALL
    SELECT o.section, o."position", coalesce(n.label, o.label), o.value, o.unit, o.detail
    FROM emsn.report_overlap(report_birds.kind, report_birds.period, only_station) AS o
    LEFT JOIN named AS n ON o.section = 'overlap_species' AND n.species = o.label
    UNION ALL
    -- hours in which a station heard nothing, though it hears something at that hour on at least half of its days
    SELECT 'data_quality', (2 * row_number() OVER (ORDER BY q.station COLLATE "C") - 2 + v.number)::integer, v.label, v.value,
           v.unit, jsonb_build_object('station', q.station)
    FROM (
        SELECT k.station, g.gaps, s.silent
        FROM known AS k
        LEFT JOIN (
            SELECT u.station, count(*) FILTER (WHERE u.is_over AND u.detections = 0) AS gaps
            FROM usual AS u
            WHERE u.day >= p.first_day
            GROUP BY u.station
        ) AS g ON g.station = k.station
        LEFT JOIN (
            SELECT h.station, sum(h.days - a.days) AS silent
            FROM (SELECT c.station, c.hour, count(*) AS days
                  FROM (SELECT DISTINCT o.station, o.day, o.hour FROM hours AS o) AS c
                  GROUP BY c.station, c.hour) AS a
            JOIN heard AS h ON h.station = a.station
            WHERE 2 * a.days >= h.days
            GROUP BY h.station
        ) AS s ON s.station = k.station
    ) AS q
    CROSS JOIN LATERAL (VALUES (1, 'days_without_data', 'days', q.gaps::numeric),
                               (2, 'silent_hours', 'hours', coalesce(q.silent, 0)))
        AS v (number, label, unit, value);
END
$$;
COMMENT ON FUNCTION emsn.report_birds(text, date, text) IS 'For emsn.report: the sections that are about what was heard.';
