-- Loads one station's detections, as CSV in birds.db's column order on standard input, into the detections that
-- emsn knows:  sqlite3 -csv birds.db 'SELECT * FROM detections' | psql -v station=zolder -f load_station.sql
-- Date and Time are the station's local time; here its time zone is the server's. Rows without them are left out.
\set ON_ERROR_STOP on
SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false) \g /dev/null
SELECT value AS detections FROM emsn.settings WHERE name = 'detections' \gset
CREATE TEMPORARY TABLE pg_temp.incoming (
    date date,
    "time" time,
    species text,
    common_name text,
    confidence double precision,
    latitude double precision,
    longitude double precision,
    cutoff double precision,
    week integer,
    sensitivity double precision,
    overlap double precision,
    file_name text
);
\copy pg_temp.incoming FROM pstdin (FORMAT csv)
INSERT INTO :detections (station, detection_timestamp, date, "time", species, common_name, confidence, latitude,
                         longitude, cutoff, week, sensitivity, overlap, file_name)
SELECT :'station',
       i.date + i."time",
       i.date,
       i."time",
       i.species,
       i.common_name,
       i.confidence,
       i.latitude,
       i.longitude,
       i.cutoff,
       i.week,
       i.sensitivity,
       i.overlap,
       i.file_name
FROM pg_temp.incoming AS i
WHERE i.date IS NOT NULL
  AND i."time" IS NOT NULL;
