-- What to keep of the backups in a folder, and why. For one connection: two tables to fill, and the view that answers.
--
--   .read sql/retention.sql
--   INSERT INTO backup SELECT path, name, kind, station, series, taken_at, age_days, bytes, date_source, complete,
--       verified, error FROM emsn_backups('/mnt/usb/backups');
--   INSERT INTO policy VALUES ('daily', 7), ('weekly', 4);
--   SELECT path, verdict, reason FROM retention;
--
-- The rules are those of restic(1): last N; of each of the last N hours, days, weeks (from Monday), months and years that
-- have a backup, the newest one; within N days of the newest. Periods are those of local time. A backup is kept when any
-- rule keeps it. Each station, kind and series (what stands before the date in the name) is judged for itself.
--
-- A rule never prefers an unfinished backup (complete = 0): it chooses once among all, in a period a finished one first,
-- and once more among those that are not known to be unfinished. So N unfinished ones never push N good ones out.
--
-- Kept whatever the rules say: everything when there is no rule; what is not understood (an error, not in a folder of a
-- kind, no date); what is dated in the future; of each station, kind and series the newest, the newest complete and the
-- newest verified one.

CREATE TEMP TABLE policy(
    rule TEXT PRIMARY KEY
        CHECK (rule IN ('last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly', 'within')),
    count INTEGER NOT NULL CHECK (typeof(count) = 'integer' AND count > 0)
);

-- Columns as in emsn_backups.
CREATE TEMP TABLE backup(
    path TEXT PRIMARY KEY,
    name TEXT,
    kind TEXT,
    station TEXT,
    series TEXT,
    taken_at TEXT,
    age_days REAL,
    bytes INTEGER,
    date_source TEXT,
    complete INTEGER,
    verified INTEGER,
    error TEXT
);

CREATE TEMP VIEW retention AS
WITH
-- those that rules may drop; wall: local time as a number of seconds
dated AS (
    SELECT path, station, kind, series, taken_at, complete, verified,
           CAST(strftime('%s', taken_at) AS INTEGER) AS taken_unix,
           CAST(strftime('%s', taken_at, 'localtime') AS INTEGER) AS wall
    FROM backup
    WHERE error IS NULL AND kind <> 'other' AND date_source IN ('name', 'receipt') AND age_days >= 0
),
candidate AS (
    SELECT path, station, kind, series, taken_at, complete, taken_unix, wall,
           row_number() OVER newest_first = 1 AS is_newest,
           complete IS 1 AND row_number() OVER (PARTITION BY station, kind, series, complete IS 1
                                                ORDER BY taken_at DESC, path DESC) = 1 AS is_newest_complete,
           verified IS 1 AND row_number() OVER (PARTITION BY station, kind, series, verified IS 1
                                                ORDER BY taken_at DESC, path DESC) = 1 AS is_newest_verified
    FROM dated
    WHERE wall IS NOT NULL
    WINDOW newest_first AS (PARTITION BY station, kind, series ORDER BY taken_at DESC, path DESC)
),
word(rule, position, period) AS (
    VALUES ('last', 1, NULL), ('hourly', 2, 'hour'), ('daily', 3, 'day'), ('weekly', 4, 'week'),
           ('monthly', 5, 'month'), ('yearly', 6, 'year'), ('within', 7, NULL)
),
choice(good_only) AS (VALUES (0), (1)),
-- every candidate under every rule, in its period; periods sort as time does
placed AS (
    SELECT c.path, c.station, c.kind, c.series, c.taken_at, c.complete, c.wall, choice.good_only,
           p.rule, p.count, w.position, w.period AS period_word,
           CASE p.rule
               WHEN 'last' THEN c.taken_at || c.path
               WHEN 'hourly' THEN c.taken_unix - c.wall % 3600 -- when that hour began: of two equal ones, each
               WHEN 'daily' THEN date(c.wall, 'unixepoch')
               WHEN 'weekly' THEN date(c.wall, 'unixepoch', 'weekday 0', '-6 days')
               WHEN 'monthly' THEN strftime('%Y-%m', c.wall, 'unixepoch')
               WHEN 'yearly' THEN strftime('%Y', c.wall, 'unixepoch')
           END AS period
    FROM candidate AS c
    JOIN policy AS p
    JOIN word AS w ON w.rule = p.rule
    JOIN choice ON choice.good_only = 0 OR c.complete IS NOT 0
),
ranked AS (
    SELECT path, rule, count, position, period_word, good_only,
           dense_rank() OVER (PARTITION BY station, kind, series, rule, good_only ORDER BY period DESC) AS place,
           row_number() OVER (PARTITION BY station, kind, series, rule, good_only, period
                              ORDER BY complete IS 0, taken_at DESC, path DESC) = 1 AS is_chosen,
           max(wall) OVER (PARTITION BY station, kind, series, rule, good_only) - wall AS before_newest
    FROM placed
),
kept_by AS (
    SELECT path, position,
           rule || iif(rule = 'within', ' ' || count || iif(count = 1, ' day', ' days'), ' ' || place || ' of ' || count)
               || iif(good_only, ' complete', '') AS words,
           row_number() OVER (PARTITION BY path, rule ORDER BY good_only) = 1 AS is_first
    FROM ranked
    WHERE iif(rule = 'within', before_newest < count * 86400, is_chosen AND place <= count)
),
kept AS (
    SELECT path, group_concat(words, ', ') OVER all_rules AS words, row_number() OVER (PARTITION BY path) AS number
    FROM kept_by
    WHERE is_first
    WINDOW all_rules AS (PARTITION BY path ORDER BY position
                         ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
),
-- periods that are kept, by another backup
beaten AS (
    SELECT path, period_word, row_number() OVER (PARTITION BY path ORDER BY position) AS number
    FROM ranked
    WHERE good_only = 0 AND period_word IS NOT NULL AND NOT is_chosen AND place <= count
),
judged AS (
    SELECT b.path, b.name, b.kind, b.station, b.taken_at, b.age_days, b.bytes, b.complete, b.verified,
           CASE
               WHEN b.error IS NOT NULL THEN b.error
               WHEN b.kind = 'other' THEN 'not in a folder of a kind'
               WHEN b.date_source = 'mtime' THEN 'no date in its name'
               WHEN b.age_days < 0 THEN 'dated in the future'
               WHEN c.path IS NULL THEN 'not understood'
               WHEN NOT EXISTS (SELECT 1 FROM policy) THEN 'no rule'
               WHEN k.words IS NOT NULL THEN k.words
               WHEN c.is_newest THEN 'the newest'
               WHEN c.is_newest_complete THEN 'the newest complete'
               WHEN c.is_newest_verified THEN 'the newest verified'
           END AS kept_because,
           CASE
               WHEN t.path IS NOT NULL THEN 'another of its ' || t.period_word || ' is kept'
               WHEN (SELECT count(*) FROM policy) = (SELECT count(*) FROM policy WHERE rule = 'within')
                   THEN (SELECT 'older than ' || count || iif(count = 1, ' day', ' days') FROM policy)
               ELSE 'older than what the rules keep'
           END AS dropped_because
    FROM backup AS b
    LEFT JOIN candidate AS c ON c.path = b.path
    LEFT JOIN kept AS k ON k.path = b.path AND k.number = 1
    LEFT JOIN beaten AS t ON t.path = b.path AND t.number = 1
)
SELECT path, name, kind, station, taken_at, age_days, bytes, complete, verified,
       iif(kept_because IS NULL, 'drop', 'keep') AS verdict,
       coalesce(kept_because, dropped_because) AS reason
FROM judged;
