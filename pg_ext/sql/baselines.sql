-- What is usual for each species, at each station and over all of them, learned from emsn.species_days.

CREATE TABLE emsn.species_baselines (
    station text,
    species text NOT NULL,
    common_name text,
    detections bigint NOT NULL,
    months_active integer[] NOT NULL,
    hours_active integer[] NOT NULL,
    avg_confidence double precision,
    avg_daily_count double precision NOT NULL,
    avg_recorded_day_count double precision NOT NULL,
    median_daily_count double precision NOT NULL,
    min_daily_count bigint NOT NULL,
    max_daily_count bigint NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    learned_at timestamptz NOT NULL,
    state text NOT NULL,
    daily_deviation double precision NOT NULL,
    UNIQUE NULLS NOT DISTINCT (station, species)
);
COMMENT ON TABLE emsn.species_baselines IS 'The rows of emsn.baselines, replaced as a whole by emsn.learn_baselines.';
SELECT pg_catalog.pg_extension_config_dump('emsn.species_baselines', '');

CREATE VIEW emsn.baselines AS
SELECT b.station,
       b.species,
       b.common_name,
       b.detections,
       b.months_active,
       b.hours_active,
       b.avg_confidence,
       b.avg_daily_count,
       b.avg_recorded_day_count,
       b.median_daily_count,
       b.min_daily_count,
       b.max_daily_count,
       b.first_seen,
       b.last_seen,
       b.learned_at,
       b.state,
       b.daily_deviation
FROM emsn.species_baselines AS b
ORDER BY b.station NULLS FIRST, b.species;
COMMENT ON VIEW emsn.baselines IS 'What is usual for each species with 20 detections or more, at each station and (station NULL) over all of them, as emsn.learn_baselines found it.';
COMMENT ON COLUMN emsn.baselines.months_active IS 'Months, 1 to 12, with at least 5 detections.';
COMMENT ON COLUMN emsn.baselines.hours_active IS 'Hours of the clock, 0 to 23, with at least 3 detections.';
COMMENT ON COLUMN emsn.baselines.avg_daily_count IS 'Detections / days with a detection of the species.';
COMMENT ON COLUMN emsn.baselines.avg_recorded_day_count IS 'Detections / days on which the station (NULL: any) recorded anything.';
COMMENT ON COLUMN emsn.baselines.median_daily_count IS 'Over the days with a detection of the species, as are min_daily_count and max_daily_count.';
COMMENT ON COLUMN emsn.baselines.state IS 'learning: fewer than 21 recorded days; nothing is judged by it yet. learned: else.';
COMMENT ON COLUMN emsn.baselines.daily_deviation IS 'Standard deviation of the daily count over all recorded days, those without the species as 0; at least 1, and the square root of avg_recorded_day_count.';

-- In one statement from the days of the last year. Daily counts and hours are summed by month first. How many days a station
-- has in it the planner cannot see, and expects a thousandth of the rows: it would choose loops and sorts.
CREATE FUNCTION emsn.replace_baselines(at timestamptz, lookback interval) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
SET work_mem = '64MB'
SET enable_nestloop = off
SET enable_sort = off
AS $$
DECLARE
    least_detections CONSTANT integer := 20;
    least_in_month CONSTANT integer := 5;
    least_in_hour CONSTANT integer := 3;
    warm_up_days CONSTANT integer := 21;
    w record;
    stored bigint;
BEGIN
    DELETE FROM emsn.species_baselines;
    -- the planner counts the elements of an array, and the rows of a table that nobody analyzed it does not know
    SELECT array_agg(l.station) AS stations,
           array_agg((t.today - lookback)::date) AS first_days,
           array_agg(t.today) AS last_days
    INTO w
    FROM emsn.learned_stations AS l
    CROSS JOIN LATERAL (SELECT (at AT TIME ZONE l.time_zone)::date AS today) AS t;
    WITH daily AS MATERIALIZED (
        SELECT d.station, d.species, d.day, d.detections
        FROM unnest(w.stations, w.first_days, w.last_days) AS n (station, first_day, last_day)
        JOIN emsn.species_days AS d ON d.station = n.station AND d.day BETWEEN n.first_day AND n.last_day
    ), recorded AS (
        SELECT n.station IS NULL AS of_all, n.station, count(DISTINCT n.day) AS days
        FROM (SELECT d.station, d.day FROM daily AS d GROUP BY d.station, d.day) AS n
        GROUP BY GROUPING SETS ((n.station), ())
    ), counted AS (
        SELECT false AS of_all,
               d.station,
               d.species,
               sum(d.detections) AS detections,
               count(*) AS days,
               sum(d.detections::double precision ^ 2) AS squares,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY d.detections) AS median,
               min(d.detections) AS least,
               max(d.detections) AS most
        FROM daily AS d
        GROUP BY d.station, d.species
        UNION ALL
        SELECT true,
               NULL,
               a.species,
               sum(a.detections),
               count(*),
               sum(a.detections::double precision ^ 2),
               percentile_cont(0.5) WITHIN GROUP (ORDER BY a.detections),
               min(a.detections),
               max(a.detections)
        FROM (SELECT d.species, d.day, sum(d.detections)::bigint AS detections FROM daily AS d GROUP BY d.species, d.day) AS a
        GROUP BY a.species
    ), monthly AS MATERIALIZED (
        SELECT d.station,
               d.species,
               date_part('month', d.day)::integer AS month,
               sum(d.detections) AS detections,
               sum(d.confident) AS confident,
               sum(d.confidence_sum) AS confidence_sum,
               min(d.first_at) AS first_at,
               max(d.last_at) AS last_at,
               sum(d.h00) AS h00, sum(d.h01) AS h01, sum(d.h02) AS h02, sum(d.h03) AS h03, sum(d.h04) AS h04, sum(d.h05) AS h05,
               sum(d.h06) AS h06, sum(d.h07) AS h07, sum(d.h08) AS h08, sum(d.h09) AS h09, sum(d.h10) AS h10, sum(d.h11) AS h11,
               sum(d.h12) AS h12, sum(d.h13) AS h13, sum(d.h14) AS h14, sum(d.h15) AS h15, sum(d.h16) AS h16, sum(d.h17) AS h17,
               sum(d.h18) AS h18, sum(d.h19) AS h19, sum(d.h20) AS h20, sum(d.h21) AS h21, sum(d.h22) AS h22, sum(d.h23) AS h23
        FROM unnest(w.stations, w.first_days, w.last_days) AS n (station, first_day, last_day)
        JOIN emsn.species_days AS d ON d.station = n.station AND d.day BETWEEN n.first_day AND n.last_day
        GROUP BY d.station, d.species, date_part('month', d.day)::integer
    ), months AS (
        SELECT grouping(m.station) = 1 AS of_all,
               m.station,
               m.species,
               m.month,
               sum(m.detections) AS detections,
               sum(m.confident) AS confident,
               sum(m.confidence_sum) AS confidence_sum,
               min(m.first_at) AS first_at,
               max(m.last_at) AS last_at,
               sum(m.h00) AS h00, sum(m.h01) AS h01, sum(m.h02) AS h02, sum(m.h03) AS h03, sum(m.h04) AS h04, sum(m.h05) AS h05,
               sum(m.h06) AS h06, sum(m.h07) AS h07, sum(m.h08) AS h08, sum(m.h09) AS h09, sum(m.h10) AS h10, sum(m.h11) AS h11,
               sum(m.h12) AS h12, sum(m.h13) AS h13, sum(m.h14) AS h14, sum(m.h15) AS h15, sum(m.h16) AS h16, sum(m.h17) AS h17,
               sum(m.h18) AS h18, sum(m.h19) AS h19, sum(m.h20) AS h20, sum(m.h21) AS h21, sum(m.h22) AS h22, sum(m.h23) AS h23
        FROM monthly AS m
        GROUP BY GROUPING SETS ((m.station, m.species, m.month), (m.species, m.month))
    ), profiles AS (
        SELECT m.of_all,
               m.station,
               m.species,
               coalesce(array_agg(m.month ORDER BY m.month) FILTER (WHERE m.detections >= least_in_month), '{}') AS months_active,
               sum(m.confidence_sum) / nullif(sum(m.confident), 0)::double precision AS avg_confidence,
               min(m.first_at) AS first_seen,
               max(m.last_at) AS last_seen,
               ARRAY[sum(m.h00), sum(m.h01), sum(m.h02), sum(m.h03), sum(m.h04), sum(m.h05), sum(m.h06), sum(m.h07),
                     sum(m.h08), sum(m.h09), sum(m.h10), sum(m.h11), sum(m.h12), sum(m.h13), sum(m.h14), sum(m.h15),
                     sum(m.h16), sum(m.h17), sum(m.h18), sum(m.h19), sum(m.h20), sum(m.h21), sum(m.h22), sum(m.h23)] AS hours
        FROM months AS m
        GROUP BY m.of_all, m.station, m.species
    )
    INSERT INTO emsn.species_baselines AS b (
        station, species, detections, months_active, hours_active, avg_confidence, avg_daily_count, avg_recorded_day_count,
        median_daily_count, min_daily_count, max_daily_count, first_seen, last_seen, learned_at, state, daily_deviation)
    SELECT c.station,
           c.species,
           c.detections,
           p.months_active,
           ARRAY(SELECT h.number::integer - 1
                 FROM unnest(p.hours) WITH ORDINALITY AS h (detections, number)
                 WHERE h.detections >= least_in_hour
                 ORDER BY h.number),
           p.avg_confidence,
           c.detections::double precision / c.days,
           u.mean,
           c.median,
           c.least,
           c.most,
           p.first_seen,
           p.last_seen,
           at,
           CASE WHEN r.days < warm_up_days THEN 'learning' ELSE 'learned' END,
           greatest(sqrt(greatest(c.squares / r.days - u.mean ^ 2, 0)), sqrt(u.mean), 1)
    FROM counted AS c
    JOIN profiles AS p ON p.of_all = c.of_all AND coalesce(p.station, '') = coalesce(c.station, '') AND p.species = c.species
    JOIN recorded AS r ON r.of_all = c.of_all AND coalesce(r.station, '') = coalesce(c.station, '')
    CROSS JOIN LATERAL (SELECT c.detections::double precision / r.days AS mean) AS u
    WHERE c.detections >= least_detections AND c.species <> '';
    GET DIAGNOSTICS stored = ROW_COUNT;
    RETURN stored;
END
$$;
COMMENT ON FUNCTION emsn.replace_baselines(timestamptz, interval) IS 'Computes the baselines from emsn.species_days and puts them in the place of those that are there; returns their number.';

-- Of the newest detection of each species, which is looked up by station and time.
CREATE FUNCTION emsn.name_baselines() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    is_local CONSTANT boolean := emsn.detections_sql('{instant}') <> '';
    newest jsonb;
BEGIN
    newest := (SELECT jsonb_agg(to_jsonb(n))
               FROM (SELECT b.species, d.station, l.time_zone, b.last_seen
                     FROM emsn.species_baselines AS b
                     -- the calendar of the station is at most a day off that of UTC
                     JOIN emsn.species_days AS d ON d.species = b.species AND d.last_at = b.last_seen
                                                AND d.day BETWEEN (b.last_seen AT TIME ZONE 'UTC')::date - 1
                                                              AND (b.last_seen AT TIME ZONE 'UTC')::date + 1
                     JOIN emsn.learned_stations AS l ON l.station = d.station
                     WHERE b.station IS NULL) AS n);
    IF newest IS NULL THEN
        RETURN;
    END IF;
    UPDATE emsn.species_baselines AS b
    SET common_name = n.common_name
    FROM emsn.query_as_owner(emsn.detections_relation(), emsn.detections_sql(format('
             SELECT k.species, min(d.common_name::text)
             FROM jsonb_to_recordset(%L) AS k (species text, station text, time_zone text, last_seen timestamptz)
             JOIN {detections} AS d ON d.station = k.station AND d.species = k.species AND {live}
              AND d.detection_timestamp = k.last_seen %s
             GROUP BY k.species', newest, CASE WHEN is_local THEN 'AT TIME ZONE k.time_zone' ELSE '' END)))
        AS n (species text, common_name text)
    WHERE n.species = b.species;
END
$$;
COMMENT ON FUNCTION emsn.name_baselines() IS 'Fills in the common names of the baselines.';

CREATE FUNCTION emsn.learn_baselines_at(lookback interval, at timestamptz) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    started CONSTANT timestamptz := clock_timestamp();
    stored bigint;
BEGIN
    IF lookback IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'learn_baselines: no lookback is given';
    END IF;
    IF lookback < interval '1 day' OR lookback > interval '100 years' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('learn_baselines: a lookback is 1 day to 100 years, not %s', lookback);
    END IF;
    PERFORM emsn.require_primary('learn_baselines');
    PERFORM emsn.refresh_species_days(at, true, lookback);
    stored := emsn.replace_baselines(at, lookback);
    PERFORM emsn.name_baselines();
    PERFORM emsn.record_run('learn', 'all stations', started, stored, 'ok');
    RETURN stored;
END
$$;
COMMENT ON FUNCTION emsn.learn_baselines_at(interval, timestamptz) IS 'emsn.learn_baselines at another moment than now.';

-- SECURITY DEFINER, so that a role for jobs needs this and nothing else; the table is read as its owner whoever calls.
CREATE FUNCTION emsn.learn_baselines(lookback interval DEFAULT '365 days') RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN emsn.learn_baselines_at(lookback, statement_timestamp());
END
$$;
COMMENT ON FUNCTION emsn.learn_baselines(interval) IS 'Learns what is usual for each species over the lookback, reading the days that changed; returns the number of baselines.';
