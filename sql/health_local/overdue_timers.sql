-- Timers of systemd that should have started something, as a row for health_local/rows.sql. place: one row, station.
SELECT json_object('check_name', 'overdue_timers', 'subject', p.station, 'value', t.overdue, 'unit', 'timers',
                   'warning_at', '1',
                   'message', iif(t.overdue = 0, printf('%d timer%s, none overdue', t.timers, iif(t.timers = 1, '', 's')),
                                  printf('overdue since %s: %s', coalesce(t.since, 'ever'), t.names)),
                   'remedy', 'systemctl list-timers --all, and what is running: systemctl list-jobs')
FROM place AS p
JOIN (SELECT count(*) AS timers,
             count(*) FILTER (WHERE o.overdue) AS overdue,
             group_concat(o.name, ', ') FILTER (WHERE o.overdue) AS names,
             min(o.next_trigger) FILTER (WHERE o.overdue) AS since
      FROM emsn_timers AS o) AS t;
