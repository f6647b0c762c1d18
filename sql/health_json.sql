-- The health answer as one JSON array of objects, worst first: psql -f sql/health_json.sql
-- nobody's function of the same name is taken for PostgreSQL's own
SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false) \g /dev/null
\pset format unaligned
\pset tuples_only on
SELECT coalesce(json_agg(h), '[]')
FROM emsn.health AS h;
