-- What is not as it was learned. Each cause is one row: opened once, changed while it lasts, resolved when it is over.

CREATE TABLE emsn.anomaly_log (
    anomaly bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('critical', 'warning', 'info')),
    station text,
    species text,
    message text NOT NULL,
    value numeric,
    threshold numeric,
    opened_at timestamptz NOT NULL,
    resolved_at timestamptz
);
CREATE UNIQUE INDEX ON emsn.anomaly_log (kind, station, species) NULLS NOT DISTINCT WHERE resolved_at IS NULL;
COMMENT ON TABLE emsn.anomaly_log IS 'The rows of emsn.anomalies; resolved ones are kept for 2 years.';
COMMENT ON SEQUENCE emsn.anomaly_log_anomaly_seq IS 'Numbers of emsn.anomaly_log.';
SELECT pg_catalog.pg_extension_config_dump('emsn.anomaly_log', '');
SELECT pg_catalog.pg_extension_config_dump('emsn.anomaly_log_anomaly_seq', '');

CREATE VIEW emsn.anomalies AS
SELECT a.kind,
       a.severity,
       a.station,
       a.species,
       a.message,
       a.value,
       a.threshold,
       a.opened_at,
       a.resolved_at
FROM emsn.anomaly_log AS a
ORDER BY a.resolved_at IS NOT NULL,
         CASE WHEN a.resolved_at IS NULL THEN array_position(ARRAY['critical', 'warning', 'info'], a.severity) END,
         a.opened_at DESC,
         a.anomaly;
COMMENT ON VIEW emsn.anomalies IS 'What was not as it was learned, open ones first: one row a cause, resolved_at NULL as long as it lasts.';

CREATE TYPE emsn.anomaly AS (
    kind text,
    severity text,
    station text,
    species text,
    message text,
    value numeric,
    threshold numeric
);
COMMENT ON TYPE emsn.anomaly IS 'Something that is not as it was learned, at this moment.';

-- A limit as a number in the unit of the value.
CREATE FUNCTION emsn.limit_value(bound text, whole numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN bound LIKE '-%\%' THEN whole - whole * rtrim(ltrim(bound, '-'), '%')::numeric / 100
        WHEN bound LIKE '-%' THEN whole - ltrim(bound, '-')::numeric
        WHEN bound LIKE '%\%' THEN whole * rtrim(bound, '%')::numeric / 100
        ELSE bound::numeric
    END
$$;
COMMENT ON FUNCTION emsn.limit_value(text, numeric) IS 'What a limit such as 80% is of a whole.';

-- A value that is bad when high, beside the limits of its kind. NULL: nothing is wrong. severest: what news is at most.
CREATE FUNCTION emsn.as_anomaly(kind text, limits_of text, station text, species text, value numeric, whole numeric,
                                default_warning text, default_critical text, severest text, message text)
RETURNS emsn.anomaly
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bounds record;
    found emsn.anomaly;
BEGIN
    bounds := emsn.limits(limits_of, coalesce(station, 'all stations'), default_warning, default_critical);
    found.severity := CASE WHEN emsn.is_at_or_above(value, bounds.critical_at, whole) THEN 'critical'
                           WHEN emsn.is_at_or_above(value, bounds.warning_at, whole) THEN 'warning' END;
    IF found.severity IS NULL THEN
        RETURN NULL;
    END IF;
    found.threshold := round(emsn.limit_value(CASE found.severity WHEN 'critical' THEN bounds.critical_at
                                                                  ELSE bounds.warning_at END, whole), 2);
    found.severity := coalesce(severest, found.severity);
    found.kind := kind;
    found.station := station;
    found.species := species;
    found.value := round(value, 2);
    found.message := message;
    RETURN found;
END
$$;
COMMENT ON FUNCTION emsn.as_anomaly(text, text, text, text, numeric, numeric, text, text, text, text) IS 'An anomaly, if a value has reached a limit of its kind.';

CREATE FUNCTION emsn.check_anomalies_at(at timestamptz) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    kept CONSTANT interval := '2 years';
    started CONSTANT timestamptz := clock_timestamp();
    found emsn.anomaly[];
    still_open bigint;
BEGIN
    PERFORM emsn.require_primary('check_anomalies');
    PERFORM emsn.require_readable_detections();
    -- also the lock: one session at a time
    PERFORM emsn.refresh_species_days(at, false);
    found := ARRAY(SELECT ROW(a.kind, a.severity, a.station, a.species, a.message, a.value, a.threshold)::emsn.anomaly
                   FROM (SELECT * FROM emsn.station_anomalies(at)
                         UNION ALL
                         SELECT * FROM emsn.species_anomalies(at)
                         UNION ALL
                         SELECT * FROM emsn.sync_anomalies()) AS a
                   WHERE a.kind IS NOT NULL);
    INSERT INTO emsn.anomaly_log AS a (kind, severity, station, species, message, value, threshold, opened_at)
    SELECT f.kind, f.severity, f.station, f.species, f.message, f.value, f.threshold, at
    FROM unnest(found) AS f
    ON CONFLICT (kind, station, species) WHERE resolved_at IS NULL DO UPDATE
    SET severity = excluded.severity,
        message = excluded.message,
        value = excluded.value,
        threshold = excluded.threshold
    WHERE (a.severity, a.message, a.value, a.threshold)
          IS DISTINCT FROM (excluded.severity, excluded.message, excluded.value, excluded.threshold);
    UPDATE emsn.anomaly_log AS a
    SET resolved_at = at
    WHERE a.resolved_at IS NULL
      AND NOT EXISTS (SELECT
                      FROM unnest(found) AS f
                      WHERE f.kind = a.kind AND f.station IS NOT DISTINCT FROM a.station
                        AND f.species IS NOT DISTINCT FROM a.species);
    DELETE FROM emsn.anomaly_log AS a
    WHERE a.resolved_at < at - kept;
    still_open := (SELECT count(*) FROM emsn.anomaly_log AS a WHERE a.resolved_at IS NULL);
    PERFORM emsn.record_run('check_anomalies', 'all stations', started, still_open, 'ok');
    RETURN still_open;
END
$$;
COMMENT ON FUNCTION emsn.check_anomalies_at(timestamptz) IS 'emsn.check_anomalies at another moment than now.';

-- SECURITY DEFINER for the same reason as emsn.learn_baselines.
CREATE FUNCTION emsn.check_anomalies() RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN emsn.check_anomalies_at(statement_timestamp());
END
$$;
COMMENT ON FUNCTION emsn.check_anomalies() IS 'Looks for what is not as it was learned: opens, changes and resolves rows of emsn.anomalies; returns how many are open.';
