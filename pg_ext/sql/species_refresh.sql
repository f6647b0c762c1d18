-- How emsn.species_days is brought up to date: which days are stale, and how they are read again.

-- For the seasons of a year ago, and what lies around them: also where baselines look back less far.
CREATE FUNCTION emsn.first_kept_day(today date, lookback interval) RETURNS date
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (today - greatest(lookback, interval '365 days'))::date - 28
$$;
COMMENT ON FUNCTION emsn.first_kept_day(date, interval) IS 'From which day on emsn.species_days is kept.';

-- Those that this snapshot sees. Whatever is committed later is noted again; whatever was committed before is seen by
-- the reading that follows. Local times are returned as if they were UTC.
CREATE FUNCTION emsn.take_notes(log regclass)
RETURNS TABLE (station text, is_local boolean, first_at timestamptz, last_at timestamptz)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    noted_locally boolean;
BEGIN
    IF log IS NULL THEN
        RETURN;
    END IF;
    noted_locally := (SELECT a.atttypid = 'timestamp'::regtype
                      FROM pg_attribute AS a
                      WHERE a.attrelid = log AND a.attname = 'first_at' AND NOT a.attisdropped);
    RETURN QUERY
    SELECT t.station, noted_locally, t.first_at, t.last_at
    FROM emsn.query_as_owner(log, format('
             WITH taken AS (
                 DELETE FROM %s AS n RETURNING n.station::text, n.first_at, n.last_at
             )
             SELECT t.station, min(t.first_at) %s, max(t.last_at) %2$s
             FROM taken AS t
             GROUP BY t.station, date_bin(''1 day'', t.first_at, ''2000-01-01 00:00:00+00'')',
             log, CASE WHEN noted_locally THEN 'AT TIME ZONE ''UTC''' ELSE '' END))
        AS t (station text, first_at timestamptz, last_at timestamptz);
END
$$;
COMMENT ON FUNCTION emsn.take_notes(regclass) IS 'Which days of which stations changed, and forgets it.';

-- The days that are to be read again. whole: whatever is known. notes: what emsn.take_notes gave; NULL: nobody took any,
-- and two days are read for the anomalies.
CREATE FUNCTION emsn.stale_days(at timestamptz, whole boolean, notes jsonb)
RETURNS TABLE (station text, time_zone text, from_day date, until_day date)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- what is dated in the future is kept for its day
    never CONSTANT date := '9999-12-31';
    lookback CONSTANT interval := (SELECT f.lookback FROM emsn.learned_from AS f);
BEGIN
    RETURN QUERY
    WITH changed AS MATERIALIZED (
        SELECT n.station, n.is_local, n.first_at, n.last_at
        FROM jsonb_to_recordset(notes) AS n (station text, is_local boolean, first_at timestamptz, last_at timestamptz)
    ), stations AS MATERIALIZED (
        SELECT s.station,
               s.time_zone,
               s.today,
               emsn.first_kept_day(s.today, lookback) AS first_day,
               whole OR l.station IS NULL OR l.time_zone <> s.time_zone
               OR l.from_day > emsn.first_kept_day(s.today, lookback)
               OR EXISTS (SELECT FROM changed AS c WHERE c.first_at IS NULL) AS all_days
        FROM emsn.learning_stations(at) AS s
        LEFT JOIN emsn.learned_stations AS l ON l.station = s.station
    ), stale AS (
        SELECT s.station, s.time_zone, s.first_day AS from_day, never AS until_day
        FROM stations AS s
        WHERE s.all_days
        UNION ALL
        SELECT s.station, s.time_zone, greatest(s.today - 1, s.first_day), never
        FROM stations AS s
        WHERE notes IS NULL AND NOT s.all_days
        UNION ALL
        SELECT s.station, s.time_zone, greatest(d.first_day, s.first_day), least(d.last_day, never - 1) + 1
        FROM stations AS s
        JOIN changed AS c ON c.station = s.station
        CROSS JOIN LATERAL (SELECT CASE WHEN c.is_local THEN 'UTC' ELSE s.time_zone END AS zone) AS z
        CROSS JOIN LATERAL (SELECT (c.first_at AT TIME ZONE z.zone)::date AS first_day,
                                   (c.last_at AT TIME ZONE z.zone)::date AS last_day) AS d
        WHERE NOT s.all_days AND d.last_day >= s.first_day AND d.first_day < never
    )
    SELECT d.station, d.time_zone, lower(r.days), upper(r.days)
    FROM (
        SELECT s.station, s.time_zone, range_agg(daterange(s.from_day, s.until_day)) AS days
        FROM stale AS s
        GROUP BY s.station, s.time_zone
    ) AS d
    CROSS JOIN LATERAL unnest(d.days) AS r (days);
END
$$;
COMMENT ON FUNCTION emsn.stale_days(timestamptz, boolean, jsonb) IS 'Which days of which stations are to be read again.';

-- ranges: what emsn.stale_days gave, as jsonb. scanned: one reading from end to end instead of a look into the index for each.
CREATE FUNCTION emsn.days_query(ranges jsonb, scanned boolean) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF scanned THEN
        RETURN emsn.detections_sql(format('
            SELECT d.station::text, d.species::text, d.detection_timestamp, d.confidence::double precision
            FROM {detections} AS d
            WHERE {live} AND d.detection_timestamp >= %L',
            (SELECT min(r.from_day) - 1 FROM jsonb_to_recordset(ranges) AS r (from_day date)) || ' 00:00:00+00'));
    END IF;
    RETURN emsn.detections_sql(format('
        SELECT r.station, r.species, r.detection_timestamp, r.confidence
        FROM jsonb_to_recordset(%L) AS k (station text, time_zone text, from_day date, until_day date)
        CROSS JOIN LATERAL (
            SELECT d.station::text, d.species::text, d.detection_timestamp, d.confidence::double precision AS confidence
            FROM {detections} AS d
            WHERE d.station = k.station AND {live}
              AND d.detection_timestamp >= (k.from_day::timestamp {zone})
              AND d.detection_timestamp < (k.until_day::timestamp {zone})
            OFFSET 0
        ) AS r', ranges));
END
$$;
COMMENT ON FUNCTION emsn.days_query(jsonb, boolean) IS 'Query for emsn.read_species_days.';

CREATE FUNCTION emsn.read_days_again(relation oid, ranges jsonb, scanned boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    is_local CONSTANT boolean := emsn.detections_sql('{instant}') <> '';
    a record;
    one record;
BEGIN
    SELECT array_agg(s.station ORDER BY s.station) AS stations,
           array_agg(s.time_zone ORDER BY s.station) AS time_zones,
           array_agg(s.from_day ORDER BY s.station) AS from_days,
           array_agg(s.until_day ORDER BY s.station) AS until_days
    INTO a
    FROM (
        SELECT r.station, r.time_zone, min(r.from_day) AS from_day, max(r.until_day) AS until_day
        FROM jsonb_to_recordset(ranges) AS r (station text, time_zone text, from_day date, until_day date)
        GROUP BY r.station, r.time_zone
    ) AS s;
    FOR one IN
        SELECT r.station, r.from_day, r.until_day
        FROM jsonb_to_recordset(ranges) AS r (station text, from_day date, until_day date)
    LOOP
        DELETE FROM emsn.species_days AS d
        WHERE d.station = one.station AND d.day >= one.from_day AND d.day < one.until_day;
    END LOOP;
    INSERT INTO emsn.species_days AS d (
        station, day, species, detections, confident, confidence_sum, first_at, last_at,
        h00, h01, h02, h03, h04, h05, h06, h07, h08, h09, h10, h11,
        h12, h13, h14, h15, h16, h17, h18, h19, h20, h21, h22, h23)
    SELECT n.station,
           n.day,
           n.species,
           sum(n.detections),
           sum(n.confident),
           sum(n.confidence_sum),
           min(CASE WHEN is_local THEN (n.first_at AT TIME ZONE 'UTC') AT TIME ZONE z.time_zone ELSE n.first_at END),
           max(CASE WHEN is_local THEN (n.last_at AT TIME ZONE 'UTC') AT TIME ZONE z.time_zone ELSE n.last_at END),
           sum(n.h00), sum(n.h01), sum(n.h02), sum(n.h03), sum(n.h04), sum(n.h05), sum(n.h06), sum(n.h07),
           sum(n.h08), sum(n.h09), sum(n.h10), sum(n.h11), sum(n.h12), sum(n.h13), sum(n.h14), sum(n.h15),
           sum(n.h16), sum(n.h17), sum(n.h18), sum(n.h19), sum(n.h20), sum(n.h21), sum(n.h22), sum(n.h23)
    FROM emsn.read_species_days(relation, emsn.days_query(ranges, scanned), a.stations, a.time_zones, a.from_days,
                                a.until_days) AS n
    JOIN unnest(a.stations, a.time_zones) AS z (station, time_zone) ON z.station = n.station
    GROUP BY n.station, n.day, n.species;
    INSERT INTO emsn.learned_stations AS l (station, time_zone, from_day)
    SELECT s.station, s.time_zone, s.from_day
    FROM unnest(a.stations, a.time_zones, a.from_days) AS s (station, time_zone, from_day)
    ON CONFLICT (station) DO UPDATE
    SET time_zone = excluded.time_zone,
        from_day = least(l.from_day, excluded.from_day);
END
$$;
COMMENT ON FUNCTION emsn.read_days_again(oid, jsonb, boolean) IS 'Replaces days of emsn.species_days by what the table of detections holds now.';

-- everything: where changes are not noted, every day is read again, not only the last two.
CREATE FUNCTION emsn.refresh_species_days(at timestamptz, everything boolean, new_lookback interval DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    relation oid;
    tracking record;
    known record;
    notes jsonb;
    whole boolean;
    scanned boolean;
    ranges jsonb;
    one record;
BEGIN
    LOCK TABLE emsn.learned_from IN SHARE ROW EXCLUSIVE MODE;
    relation := emsn.detections_relation();
    tracking := emsn.change_tracking(relation);
    SELECT f.relation, f.fingerprint INTO known FROM emsn.learned_from AS f;
    INSERT INTO emsn.learned_from AS f (relation, fingerprint, lookback)
    VALUES (relation, tracking.fingerprint, coalesce(new_lookback, interval '365 days'))
    ON CONFLICT ((true)) DO UPDATE
    SET relation = excluded.relation,
        fingerprint = excluded.fingerprint,
        lookback = coalesce(new_lookback, f.lookback);
    IF tracking.log IS NOT NULL THEN
        notes := (SELECT coalesce(jsonb_agg(to_jsonb(n)), '[]') FROM emsn.take_notes(tracking.log) AS n);
    END IF;
    -- what was not noted from the beginning is not known
    whole := known.relation IS DISTINCT FROM relation
             OR tracking.fingerprint IS DISTINCT FROM known.fingerprint
             OR (tracking.fingerprint IS NULL AND everything);
    IF whole THEN
        DELETE FROM emsn.species_days;
        DELETE FROM emsn.learned_stations;
    END IF;
    scanned := whole OR EXISTS (SELECT FROM emsn.detections_parts() AS p WHERE p.kind IN ('r', 'm') AND NOT p.finds_newest);
    SELECT jsonb_agg(to_jsonb(d))
    INTO ranges
    FROM (
        SELECT s.station, s.time_zone, min(s.from_day) AS from_day, max(s.until_day) AS until_day
        FROM emsn.stale_days(at, whole, notes) AS s
        GROUP BY s.station, s.time_zone, CASE WHEN NOT scanned THEN s.from_day END
    ) AS d;
    IF ranges IS NOT NULL THEN
        PERFORM emsn.read_days_again(relation, ranges, scanned);
    END IF;
    -- one by one, so that each is a look into the key
    FOR one IN
        UPDATE emsn.learned_stations AS l
        SET from_day = emsn.first_kept_day((at AT TIME ZONE l.time_zone)::date, f.lookback)
        FROM emsn.learned_from AS f
        WHERE l.from_day < emsn.first_kept_day((at AT TIME ZONE l.time_zone)::date, f.lookback)
        RETURNING l.station, l.from_day
    LOOP
        DELETE FROM emsn.species_days AS d
        WHERE d.station = one.station AND d.day < one.from_day;
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.refresh_species_days(timestamptz, boolean, interval) IS 'Brings emsn.species_days up to date: the days that changed, or, where that is not known, two days, or everything.';
