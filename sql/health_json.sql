-- The health answer as one JSON array of objects, worst first: psql -f sql/health_json.sql
\pset format unaligned
\pset tuples_only on
SELECT coalesce(json_agg(h), '[]')
FROM emsn.health AS h;
