-- Rows of every table whose data pg_dump takes: ROWS|NAME, by name. For psql -XAtq.
-- Tables of extensions only where the extension asks for all their rows (pg_extension.extconfig).
SET search_path = pg_catalog;
SET row_security = off; -- an error instead of a part of the rows
SELECT format('SELECT count(*), %L FROM ONLY %s', c.oid::regclass, c.oid::regclass)
FROM pg_class AS c
WHERE c.relkind = 'r'
  AND c.relpersistence <> 't'
  AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
  AND (NOT EXISTS (SELECT FROM pg_depend AS d
                   WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
       OR EXISTS (SELECT FROM pg_extension AS e, unnest(e.extconfig, e.extcondition) AS config (oid, condition)
                  WHERE config.oid = c.oid AND config.condition = ''))
ORDER BY c.oid::regclass::text COLLATE "C"
\gexec
