-- The health answer for people, worst first: psql -f sql/health_table.sql
-- nobody's function of the same name is taken for PostgreSQL's own
SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false) \g /dev/null
\pset linestyle ascii
\pset border 1
\pset format aligned
\pset footer off
SELECT h.status,
       h.check_name AS "check",
       h.subject,
       h.message,
       h.remedy
FROM emsn.health AS h;
