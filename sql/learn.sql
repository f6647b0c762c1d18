-- Baselines when they are due, and anomalies: psql -v hours=20 -f sql/learn.sql
-- nobody's function of the same name is taken for PostgreSQL's own
SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false) \g /dev/null
SELECT coalesce(max(b.learned_at) <= now() - make_interval(hours => :'hours'), true) AS due
FROM emsn.baselines AS b \gset
\if :due
SELECT format('%s baselines learned', emsn.learn_baselines());
\endif
SELECT format('%s anomalies open', emsn.check_anomalies());
