-- The day of the first detection: psql -v station='' (of any station).
SELECT min((s.first_detection AT TIME ZONE s.time_zone)::date)
FROM emsn.stations AS s
WHERE :'station' IN ('', s.station);
