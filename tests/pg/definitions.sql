-- All that the extension consists of, as text: whatever an update forgets or does otherwise than a fresh install differs
-- here. One row an object and aspect.
WITH extension AS (
    SELECT e.oid, e.extname, e.extversion, e.extconfig, e.extcondition
    FROM pg_extension AS e
    WHERE e.extname = 'emsn_health'
), member AS (
    SELECT d.classid,
           d.objid,
           pg_describe_object(d.classid, d.objid, 0) AS object
    FROM pg_depend AS d
    JOIN extension AS e ON e.oid = d.refobjid
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
), relation AS (
    SELECT m.object, c.oid, c.relkind, c.relowner, c.relacl, c.reloptions, c.relpersistence, c.relrowsecurity
    FROM member AS m
    LEFT JOIN pg_type AS t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
    JOIN pg_class AS c ON c.oid = CASE m.classid WHEN 'pg_class'::regclass THEN m.objid ELSE t.typrelid END
), facts (object, aspect, definition) AS (
    SELECT 'extension', 'version, comment', concat_ws(' ', e.extversion, obj_description(e.oid, 'pg_extension'))
    FROM extension AS e
    UNION ALL
    SELECT 'schema emsn', 'rights', (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(n.nspacl) AS a)
    FROM pg_namespace AS n
    WHERE n.nspname = 'emsn'
    UNION ALL
    SELECT c.config::regclass::text, 'kept by pg_dump', c.condition
    FROM extension AS e
    CROSS JOIN LATERAL unnest(e.extconfig, e.extcondition) AS c (config, condition)
    UNION ALL
    SELECT m.object, 'comment', obj_description(m.objid, m.classid::regclass::name)
    FROM member AS m
    UNION ALL
    SELECT m.object, 'rights as installed',
           i.objsubid || ' ' || (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(i.initprivs) AS a)
    FROM member AS m
    JOIN pg_init_privs AS i ON i.classoid = m.classid AND i.objoid = m.objid
    UNION ALL
    SELECT m.object, 'function',
           CASE WHEN p.prokind = 'a' THEN (SELECT to_jsonb(a)::text FROM pg_aggregate AS a WHERE a.aggfnoid = p.oid)
                ELSE pg_get_functiondef(p.oid) END
    FROM member AS m
    JOIN pg_proc AS p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
    UNION ALL
    SELECT m.object, 'owner, rights',
           concat_ws(' ', p.proowner::regrole, (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(p.proacl) AS a))
    FROM member AS m
    JOIN pg_proc AS p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
    UNION ALL
    SELECT m.object, 'owner, rights',
           concat_ws(' ', t.typowner::regrole, (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(t.typacl) AS a))
    FROM member AS m
    JOIN pg_type AS t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
    UNION ALL
    SELECT r.object, 'relation',
           concat_ws(' ', r.relkind, r.relowner::regrole, r.relpersistence, r.relrowsecurity, r.reloptions::text,
                     (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(r.relacl) AS a))
    FROM relation AS r
    UNION ALL
    SELECT r.object, 'view', pg_get_viewdef(r.oid)
    FROM relation AS r
    WHERE r.relkind IN ('v', 'm')
    UNION ALL
    SELECT r.object, 'column ' || a.attname,
           concat_ws(' ', row_number() OVER (PARTITION BY r.oid ORDER BY a.attnum),
                     format_type(a.atttypid, a.atttypmod), a.attnotnull, nullif(a.attidentity, ''),
                     nullif(a.attgenerated, ''), a.attcollation::regcollation, pg_get_expr(v.adbin, v.adrelid),
                     (SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(a.attacl) AS x),
                     col_description(r.oid, a.attnum))
    FROM relation AS r
    JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef AS v ON v.adrelid = a.attrelid AND v.adnum = a.attnum
    UNION ALL
    SELECT r.object, 'constraint ' || c.conname, pg_get_constraintdef(c.oid)
    FROM relation AS r
    JOIN pg_constraint AS c ON c.conrelid = r.oid
    UNION ALL
    SELECT r.object, 'index', pg_get_indexdef(i.indexrelid)
    FROM relation AS r
    JOIN pg_index AS i ON i.indrelid = r.oid
    UNION ALL
    SELECT r.object, 'trigger', pg_get_triggerdef(t.oid)
    FROM relation AS r
    JOIN pg_trigger AS t ON t.tgrelid = r.oid AND NOT t.tgisinternal
)
SELECT f.object, f.aspect, f.definition
FROM facts AS f
ORDER BY f.object COLLATE "C", f.aspect COLLATE "C", f.definition COLLATE "C";
