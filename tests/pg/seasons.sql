-- Two years at three stations, as birds are: few in winter, migration in spring and autumn, weather, a station that is off for
-- a day now and then; in the second year with faults. season.rows holds all of it; season.step() plays it.
CREATE SCHEMA season;

CREATE TABLE season.stations (station text PRIMARY KEY, loudness double precision);
INSERT INTO season.stations VALUES ('bos', 1.3), ('kade', 0.7), ('tuin', 1.0);

-- peak: day of the year on which it is heard most, so often a day; width in days (NULL: all year, half as often in winter)
CREATE TABLE season.species (species text PRIMARY KEY, common_name text, daily double precision, peak integer, width integer,
                             nocturnal boolean DEFAULT false);
INSERT INTO season.species (species, common_name, daily, peak, width) VALUES
    ('Turdus merula', 'Merel', 16, NULL, NULL), ('Parus major', 'Koolmees', 14, NULL, NULL),
    ('Cyanistes caeruleus', 'Pimpelmees', 9, NULL, NULL), ('Erithacus rubecula', 'Roodborst', 10, NULL, NULL),
    ('Passer domesticus', 'Huismus', 12, NULL, NULL), ('Columba palumbus', 'Houtduif', 7, NULL, NULL),
    ('Pica pica', 'Ekster', 4, NULL, NULL), ('Corvus corone', 'Zwarte kraai', 4, NULL, NULL),
    ('Troglodytes troglodytes', 'Winterkoning', 6, NULL, NULL), ('Fringilla coelebs', 'Vink', 6, NULL, NULL),
    ('Apus apus', 'Gierzwaluw', 14, 175, 40), ('Hirundo rustica', 'Boerenzwaluw', 8, 180, 60),
    ('Phylloscopus collybita', 'Tjiftjaf', 12, 140, 55), ('Sylvia atricapilla', 'Zwartkop', 10, 150, 50),
    ('Cuculus canorus', 'Koekoek', 3, 140, 25), ('Turdus iliacus', 'Koperwiek', 8, 290, 20),
    ('Fringilla montifringilla', 'Keep', 4, 330, 40), ('Anser anser', 'Grauwe gans', 10, 75, 25),
    ('Turdus pilaris', 'Kramsvogel', 6, 310, 30), ('Strix aluco', 'Bosuil', 2, NULL, NULL);
UPDATE season.species SET nocturnal = true WHERE species = 'Strix aluco';

-- one day in the life of a station: weather is the same for all, an outage is its own
SELECT setseed(0.25);
CREATE TABLE season.days AS
SELECT s.station,
       day::date AS day,
       s.loudness * w.weather AS loudness,
       -- from April to September birds begin before people do
       interval '8 hours' - interval '3.5 hours' * sin(pi() * (extract(doy FROM day) - 80) / 182.5) AS dawn,
       interval '17 hours' + interval '4 hours' * sin(pi() * (extract(doy FROM day) - 80) / 182.5) AS dusk,
       random() < 0.006 AS is_off
FROM (SELECT day, exp(0.35 * (random() + random() + random() - 1.5)) AS weather
      FROM generate_series(timestamp '2024-01-01', '2025-12-31', '1 day') AS day) AS w
CROSS JOIN season.stations AS s;

CREATE TABLE season.rows AS
SELECT d.station,
       (d.day + CASE WHEN b.nocturnal THEN interval '23 hours' * (random() > 0.5)::integer + interval '1 hour' * random()
                     ELSE d.dawn + (d.dusk - d.dawn) * (random() * random() * 0.5 + random() * 0.5) END)
           AT TIME ZONE 'Europe/Amsterdam' AS detection_timestamp,
       b.species,
       b.common_name,
       0.7 + 0.28 * sqrt(random()) AS confidence
FROM season.days AS d
CROSS JOIN season.species AS b
CROSS JOIN LATERAL (
    SELECT CASE WHEN b.peak IS NULL THEN 0.65 + 0.35 * sin(2 * pi() * (extract(doy FROM d.day) - 80) / 365)
                ELSE exp(-0.5 * ((extract(doy FROM d.day) - b.peak)::double precision / b.width * 2) ^ 2) END AS share
) AS s
CROSS JOIN LATERAL generate_series(1, floor(b.daily * s.share * d.loudness * (0.5 + random()) + random())::integer)
WHERE NOT d.is_off;

-- What is wrong in the second year, when, and which anomaly says so.
CREATE TABLE season.faults (kind text, station text, species text, from_at timestamptz, until_at timestamptz);
SET timezone = 'Europe/Amsterdam';
INSERT INTO season.faults VALUES
    ('station_silent', 'bos', NULL, '2025-05-05 09:00', '2025-05-09 12:00'),
    ('microphone_degraded', 'tuin', NULL, '2025-06-10', '2025-06-25'),
    ('station_imbalance', 'bos', NULL, '2025-07-01', '2025-07-05'),
    ('growth_stopped', NULL, NULL, '2025-08-20 09:00', '2025-08-21 08:00'),
    ('species_unexpected', 'tuin', 'Cuculus canorus', '2025-01-15', '2025-01-17'),
    ('species_unexpected', 'kade', 'Passer domesticus', '2025-03-03', '2025-03-05'),
    ('species_gone', 'tuin', 'Erithacus rubecula', '2025-10-01', '2025-11-10'),
    ('record_day', 'bos', 'Turdus pilaris', '2025-11-20', '2025-11-22'),
    ('first_of_year', 'kade', 'Apus apus', '2025-03-20', '2025-03-22');
DELETE FROM season.rows AS r
USING season.faults AS f
WHERE r.detection_timestamp >= f.from_at AND r.detection_timestamp < f.until_at
  AND ((f.kind = 'station_silent' AND r.station = f.station)
       OR f.kind = 'growth_stopped'
       OR (f.kind = 'station_imbalance' AND r.station = f.station AND random() < 0.95)
       OR (f.kind = 'species_gone' AND r.station = f.station AND r.species = f.species));
-- no swift comes before the planted one
DELETE FROM season.rows WHERE species = 'Apus apus' AND detection_timestamp BETWEEN '2025-01-01' AND '2025-03-20';
UPDATE season.rows AS r
SET confidence = confidence - 0.12
FROM season.faults AS f
WHERE f.kind = 'microphone_degraded' AND r.station = f.station
  AND r.detection_timestamp >= f.from_at AND r.detection_timestamp < f.until_at;
INSERT INTO season.rows
SELECT n.station, n.at + i * interval '40 s', n.species, s.common_name, 0.8
FROM (VALUES ('tuin', timestamptz '2025-01-15 10:00', 'Cuculus canorus', 5),
             ('kade', '2025-03-03 02:30', 'Passer domesticus', 6),
             ('bos', '2025-11-20 09:00', 'Turdus pilaris', 150),
             ('kade', '2025-03-20 11:00', 'Apus apus', 1)) AS n (station, at, species, detections)
JOIN season.species AS s ON s.species = n.species
CROSS JOIN LATERAL generate_series(1, n.detections) AS i;
CREATE INDEX ON season.rows (detection_timestamp);

SELECT emsn.create_detections('public.heard');
INSERT INTO emsn.station_settings (station, time_zone) SELECT station, 'Europe/Amsterdam' FROM season.stations;
INSERT INTO heard (station, detection_timestamp, species, common_name, confidence)
SELECT station, detection_timestamp, species, common_name, confidence FROM season.rows WHERE detection_timestamp < '2025-01-01';
ANALYZE heard;
SELECT emsn.learn_baselines_at('365 days', '2025-01-01');
ANALYZE emsn.species_days;

-- The second year, a look at a time, the clock set to the end of what was heard by then.
CREATE PROCEDURE season.play(step interval) LANGUAGE plpgsql AS $$
DECLARE
    now_at timestamptz := '2025-01-01';
BEGIN
    WHILE now_at < '2026-01-01' LOOP
        INSERT INTO heard (station, detection_timestamp, species, common_name, confidence)
        SELECT station, detection_timestamp, species, common_name, confidence
        FROM season.rows
        WHERE detection_timestamp >= now_at AND detection_timestamp < now_at + step;
        now_at := now_at + step;
        PERFORM emsn.check_anomalies_at(now_at);
        IF extract(hour FROM now_at) = 0 THEN
            IF extract(isodow FROM now_at) = 1 THEN
                PERFORM emsn.learn_baselines_at('365 days', now_at);
            END IF;
            COMMIT;
        END IF;
    END LOOP;
END
$$;

-- Critical ones that no fault explains: neither a planted one, nor the station being off that day.
CREATE VIEW season.false_alarms AS
SELECT a.kind, a.station, a.opened_at, a.message
FROM emsn.anomalies AS a
WHERE a.severity = 'critical'
  AND NOT EXISTS (SELECT FROM season.faults AS f
                  WHERE a.opened_at BETWEEN f.from_at AND f.until_at + interval '1 day'
                    AND (f.station IS NULL OR f.station = a.station))
  AND NOT EXISTS (SELECT FROM season.days AS d
                  WHERE d.is_off AND d.station = a.station
                    AND a.opened_at BETWEEN d.day AND d.day + interval '1 day 12 hours');
CREATE VIEW season.missed AS
SELECT f.kind, f.station, f.species, f.from_at
FROM season.faults AS f
WHERE NOT EXISTS (SELECT FROM emsn.anomalies AS a
                  WHERE a.kind = f.kind AND a.station IS NOT DISTINCT FROM f.station
                    AND a.species IS NOT DISTINCT FROM f.species
                    AND a.opened_at BETWEEN f.from_at AND f.until_at
                    AND a.resolved_at < f.until_at + interval '3 days');
