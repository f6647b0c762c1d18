-- The same bird heard by two stations. Two detections are a pair when they are of one species, at different stations, and
-- at most 5 seconds apart. Not a join of the table with itself, which explodes where many hear the same bird: rows are
-- put into one order, and each looks at its neighbours in it.

-- The sort key is one bigint: species, then microseconds, then station. Species are further apart than 5 seconds by
-- their numbers, so one order serves for all of them. Whoever has a partner has near neighbours in this order; most
-- rows have none and are left out before the counting. The order is an array: looking at a neighbour there
-- costs a tenth of a window function.
CREATE FUNCTION emsn.detection_overlap(from_day date, to_day date, only_species text[] DEFAULT NULL)
RETURNS TABLE (station text, species text, shared bigint, repeated bigint, partners bigint)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
SET work_mem = '96MB'
AS $$
#variable_conflict use_column
DECLARE
    chosen record := emsn.chosen_stations(NULL);
    bounds record := emsn.require_days('detection_overlap', from_day, to_day);
    heard text[] := only_species;
    time_bits integer;
    station_bits integer;
    reach CONSTANT bigint := 5000000; -- in microseconds
    station_mask bigint;
    key_reach bigint;
    keys bigint[];
BEGIN
    IF cardinality(chosen.stations) < 2 THEN
        RETURN;
    END IF;
    IF heard IS NULL THEN
        SELECT array_agg(DISTINCT s.species) INTO heard FROM emsn.detections_by_species(from_day, to_day) AS s;
    END IF;
    time_bits := ceil(log(2.0, extract(epoch FROM bounds.highest - bounds.lowest + interval '10 days') * 1000000));
    station_bits := ceil(log(2.0, cardinality(chosen.stations) + 1.0));
    IF time_bits + station_bits + ceil(log(2.0, coalesce(cardinality(heard), 0) + 1.0)) > 63 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'program_limit_exceeded',
            MESSAGE = format('detection_overlap: %s to %s is too long for %s stations and %s species', from_day, to_day,
                             cardinality(chosen.stations), cardinality(heard)),
            HINT = 'Ask for fewer days.';
    END IF;
    station_mask := (1::bigint << station_bits) - 1;
    key_reach := (reach + 1) << station_bits;
    EXECUTE emsn.span_sql('
        SELECT array_agg(r.key ORDER BY r.key)
        FROM (
            SELECT ((s.number << $8) + (date_part(''epoch'', d.detection_timestamp {instant}) * 1000000)::bigint - $9 << $10)
                   + k.number AS key
            FROM unnest($1, $2) WITH ORDINALITY AS k (station, time_zone, number)
            JOIN {detections} AS d ON d.station = k.station AND {live}
            JOIN unnest($3) WITH ORDINALITY AS s (species, number) ON s.species = d.species
            WHERE d.detection_timestamp >= ($4 {utc}) AND d.detection_timestamp < ($5 {utc})
              -- only near the borders does it matter where a station is
              AND (d.detection_timestamp >= (($6 + interval ''26 hours'') {utc}) OR (d.detection_timestamp {zone}) >= $6)
              AND (d.detection_timestamp < (($7 - interval ''26 hours'') {utc}) OR (d.detection_timestamp {zone}) < $7)
        ) AS r')
    INTO keys
    USING chosen.stations, chosen.time_zones, heard, bounds.lowest, bounds.highest, from_day::timestamp,
          (to_day + 1)::timestamp, time_bits,
          (extract(epoch FROM bounds.lowest - interval '2 days') * 1000000)::bigint, station_bits;
    RETURN QUERY
    -- left out: rows without a neighbour in reach, and two of one station that have nobody else in reach
    WITH pairs AS (
        SELECT n.number
        FROM (SELECT generate_series(1, cardinality(keys) - 1) AS number) AS n
        WHERE keys[n.number + 1] - keys[n.number] < key_reach
          AND ((keys[n.number + 1] # keys[n.number]) & station_mask <> 0
               OR keys[n.number + 2] - keys[n.number] < key_reach
               OR keys[n.number + 1] - keys[n.number - 1] < key_reach)
    ), near AS (
        SELECT keys[u.number] >> station_bits AS at,
               keys[u.number] & station_mask AS station
        FROM (SELECT p.number FROM pairs AS p UNION SELECT p.number + 1 FROM pairs AS p) AS u
    ), counted AS (
        SELECT n.at,
               n.station,
               max(n.before) OVER (ORDER BY n.at, n.station) AS before,
               count(*) OVER (ORDER BY n.at RANGE BETWEEN reach PRECEDING AND reach FOLLOWING)
                   - count(*) OVER (PARTITION BY n.station ORDER BY n.at
                                    RANGE BETWEEN reach PRECEDING AND reach FOLLOWING) AS partners
        FROM (
            SELECT m.at,
                   m.station,
                   -- where another station begins: the last moment of the one before it
                   CASE WHEN lag(m.station) OVER w <> m.station THEN lag(m.at) OVER w END AS before
            FROM near AS m
            WINDOW w AS (ORDER BY m.at, m.station)
        ) AS n
    )
    SELECT chosen.stations[c.station],
           heard[c.at >> time_bits],
           count(*),
           count(*) FILTER (WHERE c.at - c.before <= reach),
           sum(c.partners)::bigint
    FROM counted AS c
    WHERE c.partners > 0
    GROUP BY c.station, c.at >> time_bits;
END
$$;
COMMENT ON FUNCTION emsn.detection_overlap(date, date, text[]) IS 'By station and species: detections that another station heard too within 5 seconds (shared), those of them that another station heard before (repeated), and pairs (partners). only_species: those to look at, all when NULL.';
