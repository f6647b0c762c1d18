-- Detections of a span of days, counted in one read of it: what reports are made of, and people may ask for too.

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

-- The hours of the clocks of these zones, from day to day, and when each begins and ends (UTC). An hour that comes twice is
-- one span; width 'day': whole days. even: a clock that goes by the hour and is changed by whole hours on the hour; where
-- that is not so, a span has times of another one in it.
CREATE FUNCTION emsn.clock_spans(time_zones text[], from_day date, to_day date, width text)
RETURNS TABLE (time_zone text, clock timestamp, from_utc timestamp, to_utc timestamp, even boolean)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN QUERY
    SELECT h.zone,
           date_trunc(width, h.begins),
           min(h.from_moment) AT TIME ZONE 'UTC',
           max(h.to_moment) AT TIME ZONE 'UTC',
           bool_and(h.begins = date_trunc('hour', h.begins)
                    AND h.ends - h.begins = h.to_moment - h.from_moment - interval '1 microsecond')
    FROM (
        SELECT z.zone,
               e.from_moment,
               e.to_moment,
               e.from_moment AT TIME ZONE z.zone AS begins,
               (e.to_moment - interval '1 microsecond') AT TIME ZONE z.zone AS ends
        FROM (SELECT DISTINCT unnest(time_zones)) AS z (zone)
        -- a midnight that comes twice is the second one for AT TIME ZONE: the first hour hangs on the day before
        CROSS JOIN (SELECT (from_day + n)::timestamp AS midnight FROM generate_series(-1, to_day - from_day + 1) AS n) AS d
        CROSS JOIN LATERAL (SELECT d.midnight AT TIME ZONE z.zone, (d.midnight + interval '1 day') AT TIME ZONE z.zone)
            AS m (from_moment, to_moment)
        CROSS JOIN generate_series(0, 25) AS n (hours)
        CROSS JOIN LATERAL (SELECT m.from_moment + n.hours * interval '1 hour',
                                   least(m.from_moment + (n.hours + 1) * interval '1 hour', m.to_moment))
            AS e (from_moment, to_moment)
        WHERE e.from_moment < m.to_moment
    ) AS h
    WHERE h.begins >= from_day AND h.begins < to_day + 1
    GROUP BY 1, 2;
END
$$;
COMMENT ON FUNCTION emsn.clock_spans(text[], date, date, text) IS 'Hours or days of the clocks of time zones, and when they begin and end in UTC.';

-- With an index by (station, detection_timestamp) each span of each station is looked up and counted by species: no row
-- has to be turned into local time, and what is counted at a time is small; five times as fast as counting all rows at
-- once, which is what remains without one, and for clocks that are not even.
CREATE FUNCTION emsn.count_by_clock(from_day date, to_day date, width text, only_station text)
RETURNS TABLE (station text, clock timestamp, species text, detections bigint)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 20000
SET search_path = pg_catalog, pg_temp
SET jit = off
SET work_mem = '96MB'
AS $$
#variable_conflict use_column
DECLARE
    bounds CONSTANT record := emsn.require_days('detections', from_day, to_day);
    chosen CONSTANT record := emsn.chosen_stations(only_station);
    is_local CONSTANT boolean := emsn.detections_sql('{zone}') = '';
    zones text[] := chosen.time_zones;
    spans record;
BEGIN
    IF (SELECT bool_and(p.finds_newest) FROM emsn.detections_parts() AS p WHERE p.kind <> 'p') THEN
        IF is_local THEN
            -- the column is the clock, whatever the zone does
            zones := array_fill('UTC'::text, ARRAY[cardinality(zones)]);
        END IF;
        SELECT array_agg(k.station) AS stations, array_agg(s.clock) AS clocks, array_agg(s.from_utc) AS froms,
               array_agg(s.to_utc) AS tos, bool_and(s.even) AS even
        INTO spans
        FROM emsn.clock_spans(zones, from_day, to_day, width) AS s
        JOIN unnest(chosen.stations, zones) AS k (station, time_zone) ON k.time_zone = s.time_zone;
        IF spans.even THEN
            RETURN QUERY EXECUTE emsn.span_sql('
                SELECT s.station,
                       s.clock,
                       c.species,
                       c.detections
                FROM unnest($1, $2, $3, $4) AS s (station, clock, from_utc, to_utc)
                CROSS JOIN LATERAL (
                    SELECT d.species::text AS species,
                           count(*) AS detections
                    FROM {detections} AS d
                    WHERE d.station = s.station AND {live}
                      AND d.detection_timestamp >= (s.from_utc {utc}) AND d.detection_timestamp < (s.to_utc {utc})
                    GROUP BY d.species
                ) AS c')
            USING spans.stations, spans.clocks, spans.froms, spans.tos;
            RETURN;
        END IF;
    END IF;
    -- the stations come as arrays, not as a function in FROM, so that the server may read with several processes
    RETURN QUERY EXECUTE emsn.span_sql('
        SELECT c.station,
               c.clock,
               c.species,
               c.detections
        FROM (
            SELECT k.station,
                   date_trunc($7, d.detection_timestamp {zone}) AS clock,
                   d.species::text AS species,
                   count(*) AS detections
            FROM unnest($1, $2) AS k (station, time_zone)
            JOIN {detections} AS d ON d.station = k.station AND {live}
            WHERE d.detection_timestamp >= ($3 {utc}) AND d.detection_timestamp < ($4 {utc})
            GROUP BY 1, 2, 3
        ) AS c
        WHERE c.clock >= $5 AND c.clock < $6')
    USING chosen.stations, chosen.time_zones, bounds.lowest, bounds.highest, from_day::timestamp, (to_day + 1)::timestamp, width;
END
$$;
COMMENT ON FUNCTION emsn.count_by_clock(date, date, text, text) IS 'For emsn.detections_by_hour and emsn.detections_by_species.';

CREATE FUNCTION emsn.detections_by_hour(from_day date, to_day date, only_station text DEFAULT NULL)
RETURNS TABLE (station text, day date, hour integer, species text, detections bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 20000
BEGIN ATOMIC
    SELECT c.station, c.clock::date, extract(hour FROM c.clock)::integer, c.species, c.detections
    FROM emsn.count_by_clock(from_day, to_day, 'hour', only_station) AS c;
END;
COMMENT ON FUNCTION emsn.detections_by_hour(date, date, text) IS 'Detections of each station (or one), day, hour of its clock and species from from_day to to_day, both included; no row where there were none.';

CREATE FUNCTION emsn.detections_by_species(from_day date, to_day date, only_station text DEFAULT NULL)
RETURNS TABLE (station text, day date, species text, detections bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 20000
BEGIN ATOMIC
    SELECT c.station, c.clock::date, c.species, c.detections
    FROM emsn.count_by_clock(from_day, to_day, 'day', only_station) AS c;
END;
COMMENT ON FUNCTION emsn.detections_by_species(date, date, text) IS 'Detections of each station (or one), day and species from from_day to to_day, both included; no row where there were none.';
