-- Baselines and partitions when they are due, and anomalies: psql -v hours=20 -f sql/learn.sql
-- Each job is a transaction of its own, and how it ended is written down: emsn.run_job.
-- nobody's function of the same name is taken for PostgreSQL's own
SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false) \g /dev/null
SELECT coalesce(max(b.learned_at) <= now() - make_interval(hours => :'hours'), true) AS due
FROM emsn.baselines AS b \gset
-- the most urgent first: one that fails ends the run
CALL emsn.run_job('check_anomalies');
\if :due
CALL emsn.run_job('maintain');
CALL emsn.run_job('learn');
\endif
SELECT format('%s baselines, %s anomalies open',
              (SELECT count(*) FROM emsn.baselines),
              (SELECT count(*) FROM emsn.anomalies AS a WHERE a.resolved_at IS NULL));
