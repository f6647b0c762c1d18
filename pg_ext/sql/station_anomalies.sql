-- Stations and the centre: silence, imbalance, growth, microphone, publication.

-- What each station did up to a moment, in one query as the owner of the table.
--   two, four   detections in the 2 and 4 hours up to this time of day: today, a day ago, ... 14 days ago
CREATE FUNCTION emsn.station_pulse(at timestamptz)
RETURNS TABLE (station text, time_zone text, today date, last_detection timestamptz, usual_silence_hours numeric,
               two bigint[], four bigint[])
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN QUERY
    SELECT p.station, p.time_zone, p.today, p.last_detection, p.usual_silence_hours, p.two, p.four
    FROM emsn.query_as_owner(emsn.detections_relation(), emsn.heard_sql(at, false) || emsn.detections_sql(format('
        SELECT k.station, k.time_zone, k.today, k.last_detection, u.usual_silence_hours, w.two, w.four
        FROM heard AS k
        LEFT JOIN (%s) AS u ON u.station = k.station
        CROSS JOIN LATERAL (
            SELECT array_agg(c.two ORDER BY g.days) AS two,
                   array_agg(c.four ORDER BY g.days) AS four
            FROM generate_series(0, 14) AS g (days)
            CROSS JOIN LATERAL (SELECT k.clock - g.days * interval ''1 day'' AS until) AS t
            CROSS JOIN LATERAL (
                SELECT count(*) FILTER (WHERE d.detection_timestamp > ((t.until - interval ''2 hours'') {zone})) AS two,
                       count(*) AS four
                FROM {detections} AS d
                WHERE d.station = k.station AND {live}
                  AND d.detection_timestamp > ((t.until - interval ''4 hours'') {zone})
                  AND d.detection_timestamp <= (t.until {zone})
            ) AS c
        ) AS w', emsn.habits_sql('heard', 1))))
        AS p (station text, time_zone text, today date, last_detection timestamptz, usual_silence_hours numeric,
              two bigint[], four bigint[])
    WHERE p.last_detection IS NOT NULL;
END
$$;
COMMENT ON FUNCTION emsn.station_pulse(timestamptz) IS 'Each expected station that was ever heard: its last detection, its usual silence, and its detections at this time of day, today and on the 14 days before.';

CREATE FUNCTION emsn.sum_from(counts bigint[], first integer) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(sum(c), 0) FROM unnest(counts[first:]) AS c
$$;
COMMENT ON FUNCTION emsn.sum_from(bigint[], integer) IS 'Sum of the elements of an array from one on.';

-- How far the confidence of the last 3 days lies below that of the 28 before, species by species, so that another choice of
-- birds is no fault of the microphone.
CREATE FUNCTION emsn.confidence_falls(at timestamptz)
RETURNS TABLE (station text, fall_percent numeric, recent numeric, usual numeric)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- the mean of fewer wanders by as much as a limit
    least_recent CONSTANT integer := 50;
    least_usual CONSTANT integer := 200;
    least_of_species CONSTANT integer := 10;
BEGIN
    RETURN QUERY
    SELECT n.station::text,
           round((100 * (1 - n.recent / nullif(n.usual, 0)))::numeric, 2),
           round((n.recent / n.recent_count)::numeric, 4),
           round((n.usual / n.recent_count)::numeric, 4)
    FROM (
        SELECT s.station,
               sum(s.recent_sum) AS recent,
               sum(s.recent_count) AS recent_count,
               sum(s.usual_sum / s.usual_count * s.recent_count) AS usual,
               sum(s.usual_count) AS usual_count
        FROM (
            SELECT d.station,
                   d.species,
                   coalesce(sum(d.confident) FILTER (WHERE d.day > t.today - 3), 0) AS recent_count,
                   coalesce(sum(d.confidence_sum) FILTER (WHERE d.day > t.today - 3), 0) AS recent_sum,
                   sum(d.confident) FILTER (WHERE d.day <= t.today - 3) AS usual_count,
                   sum(d.confidence_sum) FILTER (WHERE d.day <= t.today - 3) AS usual_sum
            FROM emsn.kept_days(at, 30, 0) AS d
            JOIN emsn.learned_stations AS l ON l.station = d.station
            CROSS JOIN LATERAL (SELECT (at AT TIME ZONE l.time_zone)::date AS today) AS t
            GROUP BY d.station, d.species
        ) AS s
        WHERE s.usual_count >= least_of_species
        GROUP BY s.station
    ) AS n
    WHERE n.recent_count >= least_recent AND n.usual_count >= least_usual;
END
$$;
COMMENT ON FUNCTION emsn.confidence_falls(timestamptz) IS 'Mean confidence of each station over 3 days, beside that of the same species in the 28 days before.';

-- growth_stopped lasts until something new is stored: at night nobody expects anything, and still it has stopped.
CREATE FUNCTION emsn.station_anomalies(at timestamptz) RETURNS SETOF emsn.anomaly
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- as long as no habit is known
    day_hours CONSTANT numeric := 24;
    -- of 14 days: so often so much was heard at this time of day that it is expected; with less, a late dawn in autumn after
    -- an owl at midnight is a centre that gets nothing
    regular_days CONSTANT integer := 13;
    least_regular CONSTANT integer := 10;
    -- a share of fewer is chance
    least_share CONSTANT integer := 20;
    days CONSTANT integer := 14;
    pulse CONSTANT jsonb := (SELECT jsonb_agg(to_jsonb(p)) FROM emsn.station_pulse(at) AS p);
    silences emsn.anomaly[];
    newest timestamptz;
    expected_days integer;
BEGIN
    SELECT array_agg(a)
    INTO silences
    FROM jsonb_to_recordset(pulse) AS p (station text, time_zone text, last_detection timestamptz, usual_silence_hours numeric)
    CROSS JOIN LATERAL (SELECT round(extract(epoch FROM at - p.last_detection) / 3600, 1) AS silent_hours) AS h
    CROSS JOIN LATERAL emsn.as_anomaly(
        'station_silent', 'silent_station', p.station, NULL, h.silent_hours, coalesce(p.usual_silence_hours, day_hours),
        '100%', '200%', NULL,
        format('last detection at %s (%s); %s', to_char(p.last_detection AT TIME ZONE p.time_zone, 'YYYY-MM-DD HH24:MI'), p.time_zone,
               coalesce('usually heard again within ' || p.usual_silence_hours || ' hours',
                        'too few days to know what is usual'))) AS a
    WHERE a.kind IS NOT NULL;
    RETURN QUERY SELECT a.kind, a.severity, a.station, a.species, a.message, a.value, a.threshold FROM unnest(silences) AS a;

    -- What all others hear now, beside what they hear at this time of day, says what this one is to hear. One that is silent
    -- is told once.
    RETURN QUERY
    SELECT a.kind, a.severity, a.station, a.species, a.message, a.value, a.threshold
    FROM (
        SELECT s.station,
               s.now_own,
               s.usual_own * (sum(s.now_own) OVER () - s.now_own) / nullif(sum(s.usual_own) OVER () - s.usual_own, 0) AS share
        FROM (
            SELECT p.station, p.two[1]::numeric AS now_own, emsn.sum_from(p.two, 2) / days AS usual_own
            FROM jsonb_to_recordset(pulse) AS p (station text, two bigint[])
        ) AS s
    ) AS n
    CROSS JOIN LATERAL emsn.as_anomaly(
        'station_imbalance', 'station_imbalance', n.station, NULL, n.share / greatest(n.now_own, 1), NULL, '10', NULL, NULL,
        format('%s detection%s in 2 hours, where %s are its share of what the other stations hear', n.now_own,
               CASE WHEN n.now_own <> 1 THEN 's' END, round(n.share))) AS a
    WHERE n.share >= least_share
      AND NOT EXISTS (SELECT FROM unnest(silences) AS s WHERE s.station = n.station);

    SELECT max(p.last_detection) INTO newest FROM jsonb_to_recordset(pulse) AS p (last_detection timestamptz);
    SELECT count(*) FILTER (WHERE n.detections >= least_regular)
    INTO expected_days
    FROM (SELECT sum(c.detections) AS detections
          FROM jsonb_to_recordset(pulse) AS p (four bigint[])
          CROSS JOIN LATERAL unnest(p.four) WITH ORDINALITY AS c (detections, number)
          WHERE c.number > 1
          GROUP BY c.number) AS n;
    IF expected_days >= regular_days OR EXISTS (SELECT
                                                FROM emsn.anomaly_log AS o
                                                WHERE o.kind = 'growth_stopped' AND o.resolved_at IS NULL
                                                  AND newest <= o.opened_at) THEN
        RETURN NEXT emsn.as_anomaly(
            'growth_stopped', 'growth_stopped', NULL, NULL, extract(epoch FROM at - newest) / 3600, NULL, '4', '8', NULL,
            format('nothing new from any station since %s, at a time when there always is something', newest));
    END IF;

    RETURN QUERY
    SELECT a.kind, a.severity, a.station, a.species, a.message, a.value, a.threshold
    FROM jsonb_to_recordset(pulse) AS p (station text)
    JOIN emsn.confidence_falls(at) AS c ON c.station = p.station
    CROSS JOIN LATERAL emsn.as_anomaly(
        'microphone_degraded', 'microphone_degraded', c.station, NULL, c.fall_percent, NULL, '5', '10', NULL,
        format('mean confidence %s over 3 days, where the same species had %s in the 28 days before', c.recent, c.usual)) AS a;
END
$$;
COMMENT ON FUNCTION emsn.station_anomalies(timestamptz) IS 'Stations that are silent against their habit, hear less than their share or less clearly; and a centre that gets nothing.';

CREATE FUNCTION emsn.sync_anomalies() RETURNS SETOF emsn.anomaly
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT c.check_name,
           c.status,
           c.subject,
           NULL::text,
           c.message,
           c.value,
           emsn.limit_value(CASE c.status WHEN 'critical' THEN c.critical_at ELSE c.warning_at END, NULL)
    FROM emsn.check_sync_lag() AS c
    WHERE c.status IN ('critical', 'warning');
END
$$;
COMMENT ON FUNCTION emsn.sync_anomalies() IS 'Stations whose publications are late, as emsn.health judges them.';
