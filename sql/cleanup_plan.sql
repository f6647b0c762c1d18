-- The plan of scripts/emsn-cleanup: what sql/retention.sql says of the backups in a folder, and what killed removals have
-- left there. Wants the table place(dir, apply) with one row, the view retention and the extension emsn.

INSERT INTO backup
SELECT b.path, b.name, b.kind, b.station, b.series, b.taken_at, b.age_days, b.bytes, b.date_source, b.complete,
       b.verified, b.error
FROM place AS p
JOIN emsn_backups(p.dir) AS b;

-- receipt: goes with the entry. freed_bytes: NULL until it is deleted.
CREATE TEMP TABLE plan(
    number INTEGER PRIMARY KEY,
    path TEXT,
    name TEXT,
    kind TEXT,
    station TEXT,
    taken_at TEXT,
    age_days REAL,
    bytes INTEGER,
    complete INTEGER,
    verified INTEGER,
    verdict TEXT,
    reason TEXT,
    receipt TEXT,
    freed_bytes INTEGER
);

INSERT INTO plan(path, name, kind, station, taken_at, age_days, bytes, complete, verified, verdict, reason, receipt)
SELECT path, name, kind, station, taken_at, age_days, bytes, complete, verified, verdict, reason, path || '.emsn.json'
FROM retention
ORDER BY station, kind, taken_at DESC, path;

-- NAME.removing; the receipt of NAME is left over too, unless NAME is there again
INSERT INTO plan(path, name, kind, station, bytes, verdict, reason, receipt)
SELECT path, name, kind, station, dir_size_safe(path), 'drop', 'left by an interrupted removal',
       iif(dir_size_safe(whole) IS NULL, whole || '.emsn.json', NULL)
FROM (SELECT b.path, b.name, b.kind, b.station, substr(b.path, 1, length(b.path) - length('.removing')) AS whole
      FROM place AS p
      JOIN emsn_backups(p.dir, 'removing') AS b);

-- One statement for each entry to drop, the oldest first: one that fails does not stop the others.
CREATE TEMP VIEW removal AS
SELECT 'UPDATE plan SET freed_bytes = emsn_remove(path, (SELECT dir FROM place))'
           || ' + iif(dir_size_safe(receipt) IS NULL, 0, emsn_remove(receipt, (SELECT dir FROM place)))'
           || ' WHERE number = ' || number || ';' AS statement
FROM plan
WHERE verdict = 'drop'
ORDER BY taken_at, number;

CREATE TEMP VIEW plan_table AS
SELECT coalesce(station, '-') AS station,
       kind,
       iif(name GLOB control, json_quote(name), name) AS name,
       taken_at,
       iif(age_days IS NULL, NULL, printf('%.1f', age_days)) AS days,
       iif(bytes IS NULL, NULL, printf('%,d', bytes)) AS bytes,
       verdict || ': ' || iif(reason GLOB control, json_quote(reason), reason) AS verdict
FROM plan
JOIN (SELECT '*[' || char(1) || '-' || char(31) || ']*' AS control) -- such as escapes of a terminal
ORDER BY number;

CREATE TEMP VIEW plan_totals AS
SELECT count(*) FILTER (WHERE verdict = 'keep') AS kept,
       CAST(total(bytes) FILTER (WHERE verdict = 'keep') AS INTEGER) AS kept_bytes,
       count(*) FILTER (WHERE verdict = 'drop') AS dropped,
       CAST(total(bytes) FILTER (WHERE verdict = 'drop') AS INTEGER) AS dropped_bytes,
       count(freed_bytes) AS deleted,
       CAST(total(freed_bytes) AS INTEGER) AS freed_bytes,
       count(*) FILTER (WHERE verdict = 'drop' AND freed_bytes IS NULL AND (SELECT apply FROM place)) AS failed
FROM plan;

CREATE TEMP VIEW plan_words AS
SELECT printf('%d kept (%,d bytes), ', kept, kept_bytes)
           || CASE
                  WHEN dropped = 0 THEN 'nothing to drop'
                  WHEN NOT (SELECT apply FROM place)
                      THEN printf('%d to drop (%,d bytes); nothing is deleted without --apply', dropped, dropped_bytes)
                  ELSE printf('%d deleted (%,d bytes freed)', deleted, freed_bytes)
                      || iif(failed > 0, printf(', %d could not be deleted', failed), '')
              END AS words
FROM plan_totals;

CREATE TEMP VIEW plan_json AS
SELECT json_object('dir', (SELECT dir FROM place), 'applied', json(iif((SELECT apply FROM place), 'true', 'false')),
           'kept', kept, 'kept_bytes', kept_bytes, 'dropped', dropped, 'dropped_bytes', dropped_bytes,
           'deleted', deleted, 'freed_bytes', freed_bytes, 'failed', failed,
           'entries', (SELECT json_group_array(json_object('path', path, 'name', name, 'kind', kind,
                           'station', station, 'taken_at', taken_at, 'age_days', age_days, 'bytes', bytes,
                           'complete', complete, 'verified', verified, 'verdict', verdict, 'reason', reason,
                           'freed_bytes', freed_bytes))
                       FROM (SELECT * FROM plan ORDER BY number))) AS json
FROM plan_totals;
