-- The day of the first detection: psql -v station='' (of any station).
SELECT min((s.first_detection AT TIME ZONE s.time_zone)::date)
FROM emsn.chosen_stations(nullif(:'station', '')) AS c -- which says when there is no such station
JOIN emsn.stations AS s ON s.station = ANY (c.stations);
