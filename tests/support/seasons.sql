-- Detections that look like those of stations through the year, the same in every run: for tests and benchmarks.
-- More in spring, most at dawn, a few species make most of the noise, some come in summer or winter only, a day off now
-- and then; and every tenth bird is heard by the next station too, within 8 seconds.
CREATE FUNCTION public.chance(seed text) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (hashtextextended(seed, 0) & 9007199254740991) / 9007199254740992.0;

CREATE FUNCTION public.sow(into_table regclass, stations integer, from_day date, to_day date, per_day integer,
                           time_zone text DEFAULT 'Europe/Amsterdam') RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE format($sql$
        WITH birds (number, species, common_name, months) AS (VALUES
            (0, 'Turdus merula', 'Eurasian Blackbird', '{1,2,3,4,5,6,7,8,9,10,11,12}'::integer[]),
            (1, 'Parus major', 'Great Tit', '{1,2,3,4,5,6,7,8,9,10,11,12}'),
            (2, 'Erithacus rubecula', 'European Robin', '{1,2,3,4,5,6,7,8,9,10,11,12}'),
            (3, 'Cyanistes caeruleus', 'Eurasian Blue Tit', '{1,2,3,4,5,6,7,8,9,10,11,12}'),
            (4, 'Passer domesticus', 'House Sparrow', '{1,2,3,4,5,6,7,8,9,10,11,12}'),
            (5, 'Phylloscopus collybita', 'Common Chiffchaff', '{3,4,5,6,7,8,9,10}'),
            (6, 'Columba palumbus', 'Common Wood-Pigeon', '{1,2,3,4,5,6,7,8,9,10,11,12}'),
            (7, 'Corvus monedula', 'Eurasian Jackdaw', '{1,2,3,4,5,6,7,8,9,10,11,12}'),
            (8, 'Sylvia atricapilla', 'Eurasian Blackcap', '{4,5,6,7,8,9}'),
            (9, 'Troglodytes troglodytes', 'Eurasian Wren', '{1,2,3,4,5,6,7,8,9,10,11,12}'),
            (10, 'Apus apus', 'Common Swift', '{5,6,7}'),
            (11, 'Turdus iliacus', 'Redwing', '{10,11,12,1,2,3}'),
            (12, 'Anser anser', 'Greylag Goose', '{1,2,3,9,10,11,12}'),
            (13, 'Cuculus canorus', 'Common Cuckoo', '{4,5,6}'),
            (14, 'Strix aluco', 'Tawny Owl', '{1,2,3,4,5,6,7,8,9,10,11,12}'),
            (15, 'Regulus regulus', 'Goldcrest', '{9,10,11,12,1,2,3}'),
            (16, 'Garrulus glandarius', 'Eurasian Jay', '{1,2,3,4,5,6,7,8,9,10,11,12}'),
            (17, 'Fringilla montifringilla', 'Brambling', '{11,12,1,2}'),
            (18, 'Alcedo atthis', 'Common Kingfisher', '{12,1,2}'),
            (19, 'Bombycilla garrulus', 'Bohemian Waxwing', '{12}')
        ), plan AS (
            SELECT s AS station, d::date AS day, i AS number, format('%%s %%s %%s', s, d::date, i) AS seed
            FROM generate_series(1, $1) AS s
            CROSS JOIN generate_series($2::timestamp, $3::timestamp, interval '1 day') AS d
            CROSS JOIN LATERAL generate_series(1, (
                CASE WHEN public.chance(format('off %%s %%s', s, d::date)) < 0.02 THEN 0
                     ELSE $4 * (1 + 0.7 * sin(2 * pi() * (extract(doy FROM d) - 30) / 365))
                          * (0.6 + 0.8 * public.chance(format('day %%s %%s', s, d::date))) / (1 + s %% 3 * 0.4) END)::integer) AS i
        ), heard AS (
            SELECT p.station, p.seed, b.species, b.common_name,
                   (p.day + interval '1 second' * floor(CASE
                        WHEN b.species = 'Strix aluco' THEN (79200 + 28800 * public.chance('h' || p.seed))::integer %% 86400
                        WHEN public.chance('k' || p.seed) < 0.15 THEN 18000 + 57600 * public.chance('h' || p.seed)
                        ELSE 21600 + 46800 * public.chance('h' || p.seed) * public.chance('i' || p.seed) END)) AS clock
            FROM plan AS p
            CROSS JOIN LATERAL (SELECT floor(20 * public.chance('s' || p.seed) * public.chance('t' || p.seed)
                                             * (0.4 + 0.6 * public.chance('u' || p.seed)))::integer) AS r (number)
            JOIN birds AS b ON b.number = r.number AND extract(month FROM p.day)::integer = ANY (b.months)
        ), all_heard AS (
            SELECT h.station, h.species, h.common_name, h.clock, h.seed FROM heard AS h
            UNION ALL
            SELECT h.station %% $1 + 1, h.species, h.common_name,
                   h.clock + interval '1 second' * floor(9 * public.chance('o' || h.seed)), 'again ' || h.seed
            FROM heard AS h
            WHERE $1 > 1 AND public.chance('p' || h.seed) < 0.1
        )
        INSERT INTO %s (station, detection_timestamp, species, common_name, confidence)
        SELECT 'station ' || a.station, a.clock AT TIME ZONE $5, a.species, a.common_name,
               round((0.7 + 0.29 * public.chance('c' || a.seed))::numeric, 4)
        FROM all_heard AS a
        ORDER BY a.clock, a.seed$sql$, into_table)
    USING stations, from_day, to_day, per_day, time_zone;
END
$$;
