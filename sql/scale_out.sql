-- Adds a server (a shard) with the detections of some stations to this one (the coordinator): docs/scaling.md. For psql, on
-- the coordinator, once a server; again with more stations when it gets more:
--
--   psql -v server=north -v host=north.example.org -v stations='zolder,berging' -f sql/scale_out.sql
--
--   server      name for it here                    stations     which it holds, by comma
--   host        its name, address or socket folder  port, dbname, remote_user     5432, this database, this user
--   detections  the table here and there (public.bird_detections). There it is a table as emsn.create_detections makes it.
--               Here it becomes one that is partitioned by station, with a part on each server
--
-- It runs as the owner of emsn_health. A password is given afterwards, from where nobody sees it:
--   ALTER USER MAPPING FOR CURRENT_USER SERVER north OPTIONS (ADD password '...');
-- Other readers need a mapping of their own, and SELECT on the table.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
\if :{?port} \else \set port 5432 \endif
\if :{?dbname} \else \set dbname :DBNAME \endif
\if :{?remote_user} \else \set remote_user :USER \endif
\if :{?detections} \else \set detections public.bird_detections \endif
-- name and schema apart, and the list of stations as literals
SELECT coalesce((parse_ident(:'detections'))[2], (parse_ident(:'detections'))[1]) AS base,
       CASE WHEN cardinality(parse_ident(:'detections')) = 2 THEN (parse_ident(:'detections'))[1] ELSE current_schema() END AS in_schema,
       string_agg(quote_literal(btrim(s)), ', ') AS station_list
FROM string_to_table(:'stations', ',') AS s
\gset

BEGIN;
CREATE EXTENSION IF NOT EXISTS postgres_fdw;

-- The table here. Without id: each server numbers its own rows.
SELECT format('CREATE TABLE %I.%I (%s) PARTITION BY LIST (station)', :'in_schema', :'base', emsn.detections_columns())
WHERE to_regclass(format('%I.%I', :'in_schema', :'base')) IS NULL
\gexec

-- async_capable: all servers are asked at once. connect_timeout and what follows: a dead one is given up soon.
-- lock_timeout: a table that is locked there is no answer either. batch_size: rows published through this server travel together.
SELECT format(
    'CREATE SERVER %I FOREIGN DATA WRAPPER postgres_fdw
     OPTIONS (host %L, port %L, dbname %L, async_capable ''true'', fetch_size ''10000'', batch_size ''1000'',
              connect_timeout ''3'', tcp_user_timeout ''4000'', keepalives_idle ''5'', keepalives_interval ''2'',
              keepalives_count ''2'', options ''-c statement_timeout=60000 -c lock_timeout=2000'')', :'server', :'host', :'port', :'dbname')
WHERE NOT EXISTS (SELECT FROM pg_foreign_server AS s WHERE s.srvname = :'server')
\gexec
SELECT format('CREATE USER MAPPING IF NOT EXISTS FOR CURRENT_USER SERVER %I OPTIONS (user %L)', :'server', :'remote_user')
\gexec

-- The part of the table that lies there; one that is there already gets these stations besides its own.
SELECT format('%I.%I', :'in_schema', :'base' || '_' || :'server') AS part,
       format('%I.%I', :'in_schema', :'server' || '_health') AS health
\gset
SELECT format('CREATE FOREIGN TABLE %s PARTITION OF %I.%I FOR VALUES IN (%s) SERVER %I OPTIONS (schema_name %L, table_name %L)',
              :'part', :'in_schema', :'base', :'station_list', :'server', :'in_schema', :'base')
WHERE to_regclass(:'part') IS NULL
UNION ALL
SELECT unnest(ARRAY[
    format('ALTER TABLE %I.%I DETACH PARTITION %s', :'in_schema', :'base', :'part'),
    format('ALTER TABLE %I.%I ATTACH PARTITION %s FOR VALUES IN (%s, %s)', :'in_schema', :'base', :'part',
           substring(pg_get_expr(c.relpartbound, c.oid) FROM '^FOR VALUES IN \((.*)\)$'), :'station_list')])
FROM pg_class AS c
WHERE c.oid = to_regclass(:'part')
\gexec

-- The answer of that server's own emsn becomes part of emsn.health here.
SELECT format(
    'CREATE FOREIGN TABLE IF NOT EXISTS %s (
         check_name text, subject text, status text, value numeric, unit text, warning_at text, critical_at text,
         message text, remedy text, measured_at timestamptz
     ) SERVER %I OPTIONS (schema_name ''emsn'', table_name ''health'')', :'health', :'server')
\gexec
SELECT format('SELECT emsn.use_detections(%L)', format('%I.%I', :'in_schema', :'base'))
\gexec
COMMIT;
