-- How old the mirror is, as a row for health_local/rows.sql. place: one row, station, mirror (EMSN_MIRROR_DB, made
-- absolute, or empty), states: JSON array of where emsn-mirror may remember its last run. No row: there is no mirror.
WITH remembered (state) AS (
    SELECT r.state
    FROM (SELECT CAST(readfile(j.value) AS TEXT) AS state
          FROM place AS p, json_each(p.states) AS j) AS r
    WHERE json_valid(r.state)
    ORDER BY r.state ->> 'last_attempt' DESC
    LIMIT 1
), mirror AS (
    SELECT p.station,
           coalesce(nullif(p.mirror, ''), r.state ->> 'destination') AS destination,
           iif(p.mirror IN ('', r.state ->> 'destination'), r.state ->> 'last_success', NULL) AS last_success,
           iif(p.mirror IN ('', r.state ->> 'destination'), r.state ->> 'last_error', NULL) AS last_error
    FROM place AS p
    LEFT JOIN remembered AS r
    WHERE p.mirror <> '' OR r.state IS NOT NULL
), aged AS (
    SELECT m.station,
           m.destination,
           m.last_error,
           max(unixepoch('now') - unixepoch(m.last_success), 0) AS age
    FROM mirror AS m
)
SELECT json_object('check_name', 'mirror_age', 'subject', a.station, 'status', iif(a.age IS NULL, 'unknown', NULL),
                   'value', a.age, 'unit', 'seconds', 'warning_at', '1800', 'critical_at', '7200',
                   'message', iif(a.age IS NULL, a.destination || ': never' || coalesce('; ' || a.last_error, ''),
                                  printf('%s is of %d s ago%s', a.destination, a.age,
                                         coalesce('; the last try failed: ' || a.last_error, ''))),
                   'remedy', printf('Is the disk of %s mounted? journalctl -u emsn-mirror', a.destination))
FROM aged AS a;
