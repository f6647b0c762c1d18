-- Detections of a span of days, counted in one read of it: what reports are made of, and people may ask for too. The
-- stations come as arrays, not as a function in FROM, so that the server may read with several processes.

-- Days of all stations lie within the span by the clock of the session, widened: from UTC-12 to UTC+14 are 26 hours.
CREATE FUNCTION emsn.require_days(operation text, from_day date, to_day date, OUT lowest timestamp, OUT highest timestamp)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF from_day IS NULL OR to_day IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = format('%s: neither from_day nor to_day may be NULL', operation);
    END IF;
    -- the calendar of people, not that of the type, whose last days have no end
    IF from_day > to_day OR from_day < date '0001-01-03' OR to_day > date '9999-12-28' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('%s: %s to %s is no range of days', operation, from_day, to_day);
    END IF;
    lowest := from_day::timestamp - interval '26 hours';
    highest := to_day::timestamp + interval '50 hours';
END
$$;
COMMENT ON FUNCTION emsn.require_days(text, date, date) IS 'Error 22023 unless it is a range of days; the moments between which these days lie in every time zone.';

-- Besides what emsn.detections_sql fills in: {utc} turns a timestamp of UTC into the column's type, at planning time, so
-- that the planner knows the span and no row pays for a conversion.
CREATE FUNCTION emsn.span_sql(query text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN emsn.detections_sql(replace(query, '{utc}', CASE emsn.detections_sql('{zone}') WHEN '' THEN ''
                                                       ELSE 'AT TIME ZONE ''UTC''' END));
END
$$;
COMMENT ON FUNCTION emsn.span_sql(text) IS 'emsn.detections_sql for queries over a span of days.';

CREATE FUNCTION emsn.chosen_stations(station text, OUT stations text[], OUT time_zones text[])
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    SELECT coalesce(array_agg(k.station ORDER BY k.station COLLATE "C"), '{}'),
           coalesce(array_agg(k.time_zone ORDER BY k.station COLLATE "C"), '{}')
    INTO stations, time_zones
    FROM emsn.known_stations() AS k
    WHERE chosen_stations.station IS NULL OR k.station = chosen_stations.station;
    IF chosen_stations.station IS NOT NULL AND cardinality(stations) = 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('no station "%s" is known', chosen_stations.station),
            HINT = 'SELECT station FROM emsn.stations;';
    END IF;
END
$$;
COMMENT ON FUNCTION emsn.chosen_stations(text) IS 'Known stations and their time zones: all, or the one named; error 22023 when it is not known.';

CREATE FUNCTION emsn.detections_by_hour(from_day date, to_day date, only_station text DEFAULT NULL)
RETURNS TABLE (station text, day date, hour integer, species text, detections bigint)
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 100000
SET search_path = pg_catalog, pg_temp
SET jit = off
SET work_mem = '96MB'
AS $$
DECLARE
    chosen record := emsn.chosen_stations(only_station);
    bounds record := emsn.require_days('detections_by_hour', from_day, to_day);
BEGIN
    RETURN QUERY EXECUTE emsn.span_sql('
        SELECT c.station,
               c.clock::date,
               extract(hour FROM c.clock)::integer,
               c.species,
               c.detections
        FROM (
            SELECT k.station,
                   date_trunc(''hour'', d.detection_timestamp {zone}) AS clock,
                   d.species::text AS species,
                   count(*) AS detections
            FROM unnest($1, $2) AS k (station, time_zone)
            JOIN {detections} AS d ON d.station = k.station AND {live}
            WHERE d.detection_timestamp >= ($3 {utc}) AND d.detection_timestamp < ($4 {utc})
            GROUP BY 1, 2, 3
        ) AS c
        WHERE c.clock >= $5 AND c.clock < $6')
    USING chosen.stations, chosen.time_zones, bounds.lowest, bounds.highest, from_day::timestamp, (to_day + 1)::timestamp;
END
$$;
COMMENT ON FUNCTION emsn.detections_by_hour(date, date, text) IS 'Detections of each station (or one), day, hour of its clock and species from from_day to to_day, both included; no row where there were none.';

CREATE FUNCTION emsn.detections_by_species(from_day date, to_day date, only_station text DEFAULT NULL)
RETURNS TABLE (station text, day date, species text, detections bigint)
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 10000
SET search_path = pg_catalog, pg_temp
SET jit = off
SET work_mem = '96MB'
AS $$
DECLARE
    chosen record := emsn.chosen_stations(only_station);
    bounds record := emsn.require_days('detections_by_species', from_day, to_day);
BEGIN
    RETURN QUERY EXECUTE emsn.span_sql('
        SELECT c.station,
               c.day,
               c.species,
               c.detections
        FROM (
            SELECT k.station,
                   (d.detection_timestamp {zone})::date AS day,
                   d.species::text AS species,
                   count(*) AS detections
            FROM unnest($1, $2) AS k (station, time_zone)
            JOIN {detections} AS d ON d.station = k.station AND {live}
            WHERE d.detection_timestamp >= ($3 {utc}) AND d.detection_timestamp < ($4 {utc})
            GROUP BY 1, 2, 3
        ) AS c
        WHERE c.day >= $5 AND c.day <= $6')
    USING chosen.stations, chosen.time_zones, bounds.lowest, bounds.highest, from_day, to_day;
END
$$;
COMMENT ON FUNCTION emsn.detections_by_species(date, date, text) IS 'Detections of each station (or one), day and species from from_day to to_day, both included; no row where there were none.';
