-- What is kept of each day: how often each species was heard at each station, hour by hour of its clock. Baselines and
-- anomalies are computed from these rows, and only days that changed are read again from the table of detections.

CREATE TABLE emsn.species_days (
    station text COLLATE "C" NOT NULL,
    day date NOT NULL,
    species text COLLATE "C" NOT NULL,
    detections integer NOT NULL,
    confident integer NOT NULL,
    confidence_sum double precision NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    h00 integer NOT NULL, h01 integer NOT NULL, h02 integer NOT NULL, h03 integer NOT NULL, h04 integer NOT NULL, h05 integer NOT NULL,
    h06 integer NOT NULL, h07 integer NOT NULL, h08 integer NOT NULL, h09 integer NOT NULL, h10 integer NOT NULL, h11 integer NOT NULL,
    h12 integer NOT NULL, h13 integer NOT NULL, h14 integer NOT NULL, h15 integer NOT NULL, h16 integer NOT NULL, h17 integer NOT NULL,
    h18 integer NOT NULL, h19 integer NOT NULL, h20 integer NOT NULL, h21 integer NOT NULL, h22 integer NOT NULL, h23 integer NOT NULL,
    PRIMARY KEY (station, day, species)
);
CREATE INDEX ON emsn.species_days (species, day);
COMMENT ON TABLE emsn.species_days IS 'For emsn.learn_baselines: detections of each station, day of its calendar and species, deleted ones left out; in h00 to h23 by hour of its clock. Not kept by dump and restore: it is computed again.';
COMMENT ON COLUMN emsn.species_days.species IS 'Empty: detections without a species.';
COMMENT ON COLUMN emsn.species_days.confident IS 'Detections with a confidence that is a finite number; their sum is confidence_sum.';

-- How far that is true. One row, which is also the lock: one session at a time brings the days up to date.
CREATE TABLE emsn.learned_from (
    relation oid NOT NULL,
    fingerprint text,
    lookback interval NOT NULL
);
CREATE UNIQUE INDEX ON emsn.learned_from ((true));
COMMENT ON TABLE emsn.learned_from IS 'From what emsn.species_days was computed.';
COMMENT ON COLUMN emsn.learned_from.fingerprint IS 'Of emsn.change_tracking then; NULL: changes were not noted.';

CREATE TABLE emsn.learned_stations (
    station text PRIMARY KEY,
    time_zone text NOT NULL,
    from_day date NOT NULL
);
COMMENT ON TABLE emsn.learned_stations IS 'The days of a station are in emsn.species_days from from_day on, in this time zone.';

-- In C++ (pg_ext/species_days.cpp, owner_query.cpp). Both read as the owner of the relation, in a security-restricted
-- operation.
CREATE FUNCTION emsn.read_species_days(relation oid, query text, stations text[], time_zones text[], from_days date[],
                                       until_days date[])
RETURNS SETOF emsn.species_days
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 10000
AS 'emsn_health', 'emsn_health_read_species_days';
COMMENT ON FUNCTION emsn.read_species_days(oid, text, text[], text[], date[], date[]) IS 'Counts the rows (station, species, detection_timestamp, confidence) of a query by day; a group may come in several rows. Local times count as if they were UTC.';

CREATE FUNCTION emsn.query_as_owner(relation oid, query text) RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 100
AS 'emsn_health', 'emsn_health_query_as_owner';
COMMENT ON FUNCTION emsn.query_as_owner(oid, text) IS 'Rows of a query that runs as the owner of the relation, in a security-restricted operation.';

-- A session may have a zone of its own (JDBC sets it): it does not turn the days of a station over.
CREATE FUNCTION emsn.learning_stations(at timestamptz)
RETURNS TABLE (station text, time_zone text, expected boolean, today date)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    names CONSTANT text := emsn.detections_sql(emsn.station_names_sql(true));
    own_zone CONSTANT boolean := EXISTS (SELECT
                                         FROM pg_settings AS s
                                         WHERE s.name = 'TimeZone'
                                           AND s.source IN ('client', 'session', 'user', 'database user'));
BEGIN
    RETURN QUERY
    SELECT n.station,
           z.time_zone,
           coalesce(s.expected, true),
           (at AT TIME ZONE z.time_zone)::date
    FROM (SELECT h.station
          FROM emsn.query_as_owner(emsn.detections_relation(), names) AS h (station text)
          UNION
          SELECT r.station FROM emsn.station_settings AS r
          UNION
          SELECT l.station FROM emsn.learned_stations AS l) AS n (station)
    LEFT JOIN emsn.station_settings AS s ON s.station = n.station
    LEFT JOIN emsn.learned_stations AS l ON l.station = n.station AND own_zone
    CROSS JOIN LATERAL (SELECT coalesce(s.time_zone, l.time_zone, current_setting('TimeZone'))) AS z (time_zone);
END
$$;
COMMENT ON FUNCTION emsn.learning_stations(timestamptz) IS 'Stations that are known or were, each with its zone and its calendar day at a moment; the table of detections is read as its owner.';

-- For the owner of the table, who may read nothing of this extension: the stations are a constant in it.
CREATE FUNCTION emsn.heard_sql(at timestamptz, unexpected boolean) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN emsn.detections_sql(format('
        WITH heard AS MATERIALIZED (
            SELECT k.station, k.time_zone, k.clock, k.clock::date AS today, l.last_detection
            FROM jsonb_to_recordset(%L) AS k (station text, time_zone text, clock timestamp, at timestamptz)
            LEFT JOIN LATERAL (
                SELECT d.detection_timestamp {instant} AS last_detection
                FROM {detections} AS d
                WHERE d.station = k.station AND {live}
                  AND d.detection_timestamp <= %s
                  AND d.detection_timestamp > ''-infinity''
                ORDER BY d.detection_timestamp DESC
                LIMIT 1
            ) AS l ON true
        ) ',
        (SELECT coalesce(jsonb_agg(jsonb_build_object('station', s.station, 'time_zone', s.time_zone,
                                                      'clock', at AT TIME ZONE s.time_zone, 'at', at)), '[]')
         FROM emsn.learning_stations(at) AS s
         WHERE s.expected OR unexpected),
        CASE WHEN emsn.detections_sql('{instant}') <> '' THEN 'k.clock' ELSE 'k.at' END));
END
$$;
COMMENT ON FUNCTION emsn.heard_sql(timestamptz, boolean) IS 'The beginning of a query: heard, the stations at a moment with their last detection, as emsn.habits_sql takes them; unexpected: those too that are not expected.';

CREATE FUNCTION emsn.detections_relation() RETURNS oid
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- the words for a table that is not named or not there
    PERFORM emsn.detections_sql('');
    RETURN (SELECT to_regclass(s.value)::oid FROM emsn.settings AS s WHERE s.name = 'detections');
END
$$;
COMMENT ON FUNCTION emsn.detections_relation() IS 'The table of detections; errors as those of emsn.detections_sql.';
