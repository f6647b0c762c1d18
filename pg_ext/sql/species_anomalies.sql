-- Species: out of season or hour, missing, new this year, more than ever. By the days of emsn.species_days. News lasts until
-- the end of the day after: whoever looks once a day sees it.

-- Station by station, so that each is a look into the key, whatever the planner thinks of a table that nobody analyzed.
CREATE FUNCTION emsn.kept_days(at timestamptz, first integer, last integer) RETURNS SETOF emsn.species_days
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 200
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT l.station, (at AT TIME ZONE l.time_zone)::date AS today
        FROM emsn.learned_stations AS l
    LOOP
        RETURN QUERY
        SELECT d.*
        FROM emsn.species_days AS d
        WHERE d.station = one.station AND d.day BETWEEN one.today - first AND one.today - last;
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.kept_days(timestamptz, integer, integer) IS 'Rows of emsn.species_days of all stations, from so many days before their today to so many.';

CREATE FUNCTION emsn.unexpected_species(at timestamptz)
RETURNS TABLE (station text, species text, common_name text, in_month bigint, in_hours bigint)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- of a rarer one nobody knows the hours
    enough_for_hours CONSTANT integer := 100;
    -- with less of a year, a month without it is only one that was not recorded
    enough_for_months CONSTANT integer := 330;
    year_known CONSTANT boolean := EXISTS (SELECT
                                           FROM emsn.learned_stations AS l
                                           CROSS JOIN LATERAL (SELECT d.day
                                                               FROM emsn.species_days AS d
                                                               WHERE d.station = l.station
                                                               ORDER BY d.day
                                                               LIMIT 1) AS f
                                           WHERE f.day <= (at AT TIME ZONE l.time_zone)::date - enough_for_months);
BEGIN
    RETURN QUERY
    SELECT d.station::text,
           d.species::text,
           b.common_name,
           CASE WHEN year_known AND NOT date_part('month', d.day)::integer = ANY (b.months_active)
                THEN d.detections::bigint ELSE 0 END,
           CASE WHEN b.detections >= enough_for_hours THEN
               (SELECT coalesce(sum(h.detections), 0)
                FROM unnest(ARRAY[d.h00, d.h01, d.h02, d.h03, d.h04, d.h05, d.h06, d.h07, d.h08, d.h09, d.h10, d.h11,
                                   d.h12, d.h13, d.h14, d.h15, d.h16, d.h17, d.h18, d.h19, d.h20, d.h21, d.h22, d.h23])
                    WITH ORDINALITY AS h (detections, number)
                WHERE NOT h.number - 1 = ANY (b.hours_active))
           ELSE 0 END
    FROM emsn.kept_days(at, 1, 0) AS d
    JOIN emsn.species_baselines AS b ON b.station IS NULL AND b.species = d.species AND b.state = 'learned';
END
$$;
COMMENT ON FUNCTION emsn.unexpected_species(timestamptz) IS 'Species of today and yesterday, and how many of their detections lie in a month or in hours of the day without them.';

-- Heard on most days of these weeks a year ago, and not once in the last days, though the station recorded.
CREATE FUNCTION emsn.missing_species(at timestamptz)
RETURNS TABLE (station text, species text, silent_days integer, share numeric)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    year CONSTANT integer := 365;
    around CONSTANT integer := 14;
    least_recorded CONSTANT integer := 15;
    most CONSTANT numeric := 0.7;
    -- how far back its last detection is looked for
    longest CONSTANT integer := 60;
BEGIN
    RETURN QUERY
    WITH then_days AS MATERIALIZED (
        SELECT d.station, d.species, d.day
        FROM emsn.kept_days(at, year + around, year - around) AS d
    ), regulars AS (
        SELECT n.station, n.species, count(*)::numeric / r.days AS share
        FROM then_days AS n
        JOIN (SELECT t.station, count(DISTINCT t.day) AS days FROM then_days AS t GROUP BY t.station) AS r
          ON r.station = n.station
        WHERE r.days >= least_recorded AND n.species <> ''
        GROUP BY n.station, n.species, r.days
        HAVING count(*)::numeric / r.days >= most
    ), last_days AS (
        SELECT g.station,
               g.share,
               g.species,
               coalesce((SELECT max(d.day)
                         FROM emsn.species_days AS d
                         WHERE d.species = g.species AND d.station = g.station
                           AND d.day BETWEEN t.today - longest AND t.today), t.today - longest) AS last_day,
               t.today
        FROM regulars AS g
        JOIN emsn.learned_stations AS l ON l.station = g.station
        CROSS JOIN LATERAL (SELECT (at AT TIME ZONE l.time_zone)::date AS today) AS t
    )
    SELECT n.station::text,
           n.species::text,
           c.days::integer,
           round(100 * n.share)
    FROM last_days AS n
    CROSS JOIN LATERAL (
        -- of the days that are over
        SELECT count(DISTINCT d.day) AS days
        FROM emsn.species_days AS d
        WHERE d.station = n.station AND d.day > n.last_day AND d.day < n.today
    ) AS c
    WHERE n.last_day < n.today - 1;
END
$$;
COMMENT ON FUNCTION emsn.missing_species(timestamptz) IS 'Species of these weeks a year ago, and on how many recorded days in a row they are missing.';

CREATE FUNCTION emsn.first_species(at timestamptz) RETURNS TABLE (station text, species text, year integer, first_at timestamptz, time_zone text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- before, everything is new
    warm_up_days CONSTANT integer := 21;
BEGIN
    RETURN QUERY
    SELECT DISTINCT ON (d.species) d.station::text, d.species::text, date_part('year', d.day)::integer, d.first_at, l.time_zone
    FROM emsn.kept_days(at, 1, 0) AS d
    JOIN emsn.learned_stations AS l ON l.station = d.station
    WHERE d.species <> ''
      AND EXISTS (SELECT
                  FROM emsn.learned_stations AS o
                  CROSS JOIN LATERAL (SELECT e.day FROM emsn.species_days AS e WHERE e.station = o.station ORDER BY e.day LIMIT 1) AS f
                  WHERE f.day < d.day - warm_up_days)
      AND NOT EXISTS (SELECT
                      FROM emsn.species_days AS e
                      WHERE e.species = d.species AND e.day >= date_trunc('year', d.day)::date AND e.day < d.day)
    ORDER BY d.species, d.first_at;
END
$$;
COMMENT ON FUNCTION emsn.first_species(timestamptz) IS 'Species whose first detection of the year, at any station, was today or yesterday.';

CREATE FUNCTION emsn.species_anomalies(at timestamptz) RETURNS SETOF emsn.anomaly
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- a day with fewer is no record worth a word
    least_record CONSTANT integer := 10;
    -- how far beyond the mean, in standard deviations
    beyond CONSTANT integer := 3;
BEGIN
    -- one or two are a mistake of the recorder
    RETURN QUERY
    SELECT a.kind, a.severity, a.station, a.species, a.message, a.value, a.threshold
    FROM (SELECT u.station, u.species, max(u.common_name) AS common_name, max(u.in_month) AS in_month, max(u.in_hours) AS in_hours
          FROM emsn.unexpected_species(at) AS u
          GROUP BY u.station, u.species) AS n
    CROSS JOIN LATERAL emsn.as_anomaly(
        'species_unexpected', 'species_unexpected', n.station, n.species, greatest(n.in_month, n.in_hours), NULL, '3', NULL, NULL,
        format('%s: %s detections in a day, in %s in which it was not heard in the last year', coalesce(n.common_name, n.species),
               greatest(n.in_month, n.in_hours), CASE WHEN n.in_month > 0 THEN 'a month' ELSE 'hours' END)) AS a;

    RETURN QUERY
    SELECT a.kind, a.severity, a.station, a.species, a.message, a.value, a.threshold
    FROM emsn.missing_species(at) AS n
    LEFT JOIN emsn.species_baselines AS b ON b.station IS NULL AND b.species = n.species
    CROSS JOIN LATERAL emsn.as_anomaly(
        'species_gone', 'species_gone', n.station, n.species, n.silent_days, NULL, '10', NULL, NULL,
        format('%s: not heard on %s days in a row; a year ago it was heard on %s%% of the days of these weeks',
               coalesce(b.common_name, n.species), n.silent_days, n.share)) AS a;

    RETURN QUERY
    SELECT 'first_of_year', 'info', n.station, n.species,
           format('%s: first of %s, at %s', coalesce(b.common_name, n.species), n.year,
                  to_char(n.first_at AT TIME ZONE n.time_zone, 'YYYY-MM-DD HH24:MI')),
           NULL::numeric, NULL::numeric
    FROM emsn.first_species(at) AS n
    LEFT JOIN emsn.species_baselines AS b ON b.station IS NULL AND b.species = n.species;

    RETURN QUERY
    SELECT 'record_day', 'info', n.station, n.species,
           format('%s: %s on %s, more than on any day of the last year (%s)', coalesce(n.common_name, n.species), n.detections,
                  n.day, n.most),
           n.detections, n.most
    FROM (
        SELECT DISTINCT ON (d.station, d.species)
               d.station::text AS station,
               d.species::text AS species,
               b.common_name,
               d.day,
               d.detections::numeric AS detections,
               m.most::numeric AS most
        FROM emsn.kept_days(at, 1, 0) AS d
        JOIN emsn.species_baselines AS b ON b.station = d.station AND b.species = d.species AND b.state = 'learned'
        CROSS JOIN LATERAL (
            SELECT max(e.detections) AS most
            FROM emsn.species_days AS e
            WHERE e.station = d.station AND e.species = d.species AND e.day < d.day
        ) AS m
        WHERE d.detections >= least_record
          AND d.detections > b.avg_recorded_day_count + beyond * b.daily_deviation
          AND d.detections > m.most
        ORDER BY d.station, d.species, d.detections DESC
    ) AS n;
END
$$;
COMMENT ON FUNCTION emsn.species_anomalies(timestamptz) IS 'Species that are out of season, missing, new this year, or more than ever.';
