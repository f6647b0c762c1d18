-- The same bird heard by two stations. Two detections are a pair when they are of one species, at different stations, and
-- at most 5 seconds apart. Not a join of the table with itself, which explodes where many hear the same bird: the
-- detections of a species are put into one order, and each looks at its neighbours in it.

CREATE TYPE emsn.overlap AS (
    station integer,
    species text,
    shared bigint,
    repeated bigint,
    partners bigint
);
COMMENT ON TYPE emsn.overlap IS 'Of one species at one station: see emsn.detection_overlap.';

-- In C++ (pg_ext/overlap.cpp).
CREATE FUNCTION emsn.count_overlaps_step(state internal, species text, station integer, at timestamptz, reach integer) RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'emsn_health', 'emsn_health_count_overlaps_step';
COMMENT ON FUNCTION emsn.count_overlaps_step(internal, text, integer, timestamptz, integer) IS 'For emsn.count_overlaps.';

CREATE FUNCTION emsn.count_overlaps_end(state internal) RETURNS emsn.overlap[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'emsn_health', 'emsn_health_count_overlaps_end';
COMMENT ON FUNCTION emsn.count_overlaps_end(internal) IS 'For emsn.count_overlaps.';

-- 8 bytes a row, and 16 for those of one species at a time.
CREATE AGGREGATE emsn.count_overlaps(species text, station integer, at timestamptz, reach integer) (
    SFUNC = emsn.count_overlaps_step,
    STYPE = internal,
    SSPACE = 1000000,
    FINALFUNC = emsn.count_overlaps_end,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE emsn.count_overlaps(text, integer, timestamptz, integer) IS 'Detections with another station''s of the same species within reach seconds, by station and species; of two at one moment that of the lower station is the earlier.';

CREATE FUNCTION emsn.detection_overlap(from_day date, to_day date, only_species text[] DEFAULT NULL)
RETURNS TABLE (station text, species text, shared bigint, repeated bigint, partners bigint)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    chosen record := emsn.chosen_stations(NULL);
    bounds record := emsn.require_days('detection_overlap', from_day, to_day);
    reach CONSTANT integer := 5; -- seconds
BEGIN
    IF cardinality(chosen.stations) < 2 THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE emsn.span_sql('
        SELECT $1[o.station], o.species, o.shared, o.repeated, o.partners
        FROM (
            SELECT emsn.count_overlaps(d.species::text, k.number::integer, d.detection_timestamp {instant}, $8) AS found
            FROM unnest($1, $2) WITH ORDINALITY AS k (station, time_zone, number)
            JOIN {detections} AS d ON d.station = k.station AND {live}
            WHERE d.detection_timestamp >= ($4 {utc}) AND d.detection_timestamp < ($5 {utc})
              AND ($3 IS NULL OR d.species = ANY ($3))
              -- only near the borders does it matter where a station is
              AND (d.detection_timestamp >= (($6 + interval ''26 hours'') {utc}) OR (d.detection_timestamp {zone}) >= $6)
              AND (d.detection_timestamp < (($7 - interval ''26 hours'') {utc}) OR (d.detection_timestamp {zone}) < $7)
        ) AS a
        CROSS JOIN LATERAL unnest(a.found) AS o')
    USING chosen.stations, chosen.time_zones, only_species, bounds.lowest, bounds.highest, from_day::timestamp,
          (to_day + 1)::timestamp, reach;
END
$$;
COMMENT ON FUNCTION emsn.detection_overlap(date, date, text[]) IS 'By station and species: detections that another station heard too within 5 seconds (shared), those of them that another station heard before (repeated), and pairs (partners). only_species: those to look at, all when NULL.';
