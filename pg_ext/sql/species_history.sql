-- What was heard of some species before a day. With an index on (species, detection_timestamp) a species costs three
-- looks into it; without one the table is read once.

CREATE FUNCTION emsn.finds_species() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN coalesce((
        SELECT bool_and(EXISTS (
                   SELECT
                   FROM pg_index AS i
                   JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] AND a.attname = 'species'
                       AND a.attcollation = i.indcollation[0]
                   JOIN pg_attribute AS b ON b.attrelid = i.indrelid AND b.attnum = i.indkey[1]
                       AND b.attname = 'detection_timestamp'
                   JOIN pg_opclass AS o ON o.oid = i.indclass[0] AND o.opcdefault
                   JOIN pg_am AS m ON m.oid = o.opcmethod AND m.amname = 'btree'
                   WHERE i.indrelid = p.part AND i.indisvalid AND i.indnkeyatts > 1
                     AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = '(deleted IS NOT TRUE)')))
        FROM emsn.detections_parts() AS p
        WHERE p.kind <> 'p'), false);
END
$$;
COMMENT ON FUNCTION emsn.finds_species() IS 'Whether the first and last detection of a species can be found through an index.';

-- d.station is compared out of the index's reach on purpose: one that begins with station would be read from end to end
-- for a species that this station never heard.
CREATE FUNCTION emsn.species_history_sql() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    template CONSTANT text := '(
        SELECT %s
        FROM {detections} AS d
        CROSS JOIN LATERAL (SELECT z.time_zone FROM unnest($2, $3) AS z (station, time_zone)
                            WHERE z.station = d.station OFFSET 0) AS k
        WHERE d.species = s.species AND {live} AND %s
        ORDER BY d.detection_timestamp %s
        LIMIT 1)';
    jumping CONSTANT text := '
        SELECT s.species, ' || format(template, 'd.common_name::text', 'd.detection_timestamp < ($5 {utc})
                AND (d.detection_timestamp {zone}) < $8', 'DESC') || ', ' || format(template, 'true',
                'd.detection_timestamp < ($4 {utc}) AND d.detection_timestamp > ''-infinity''
                AND (d.detection_timestamp {zone}) < $7', '') || ' IS NOT NULL, ' || format(template, 'true',
                'd.detection_timestamp >= ($6 {utc}) AND d.detection_timestamp < ($4 {utc})
                AND (d.detection_timestamp {zone}) >= date_trunc(''year'', $7)
                AND (d.detection_timestamp {zone}) < $7', '') || ' IS NOT NULL
        FROM unnest($1) AS s (species)';
    -- the newest name sorts last behind its moment
    reading CONSTANT text := '
        SELECT d.species::text,
               substr(max((to_char(l.clock, ''YYYYMMDDHH24MISSUS'') || coalesce(d.common_name, '''')) COLLATE "C")
                          FILTER (WHERE l.clock >= $7), 21),
               bool_or(l.clock < $7),
               bool_or(l.clock < $7 AND l.clock >= date_trunc(''year'', $7))
        FROM unnest($2, $3) AS k (station, time_zone)
        JOIN {detections} AS d ON d.station = k.station AND {live}
        CROSS JOIN LATERAL (SELECT d.detection_timestamp {zone}) AS l (clock)
        WHERE d.species = ANY ($1) AND d.detection_timestamp < ($5 {utc}) AND d.detection_timestamp > ''-infinity''
          AND l.clock < $8 AND $4 > $6
        GROUP BY d.species';
BEGIN
    RETURN CASE WHEN emsn.finds_species() THEN jumping ELSE reading END;
END
$$;
COMMENT ON FUNCTION emsn.species_history_sql() IS 'Query for the history of species, to be filled in by emsn.detections_sql.';

CREATE FUNCTION emsn.species_history(heard text[], from_day date, to_day date, only_station text DEFAULT NULL)
RETURNS TABLE (species text, common_name text, heard_before boolean, heard_this_year boolean)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    chosen record := emsn.chosen_stations(only_station);
    bounds record := emsn.require_days('species_history', from_day, to_day);
BEGIN
    RETURN QUERY EXECUTE emsn.span_sql(emsn.species_history_sql())
    USING heard, chosen.stations, chosen.time_zones, from_day::timestamp + interval '26 hours', bounds.highest,
          date_trunc('year', from_day::timestamp) - interval '26 hours', from_day::timestamp, (to_day + 1)::timestamp;
END
$$;
COMMENT ON FUNCTION emsn.species_history(text[], date, date, text) IS 'Of each of these species, heard from from_day to to_day: its newest name, and whether a station (or this one) heard it before from_day: ever, and in that year.';
