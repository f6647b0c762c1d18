-- Which tables hold the detections, and whether an index finds a station's newest rows in them. Read from the catalogs,
-- so that a locked table is no obstacle.

-- Partitions, and children by inheritance, which pg_partition_tree leaves out.
CREATE FUNCTION emsn.table_tree(relation oid) RETURNS TABLE (part regclass)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
BEGIN ATOMIC
    WITH RECURSIVE tree (part) AS (
        SELECT table_tree.relation
        UNION ALL
        SELECT i.inhrelid
        FROM tree AS t
        JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.part
    )
    SELECT t.part::pg_catalog.regclass FROM tree AS t;
END;
COMMENT ON FUNCTION emsn.table_tree(oid) IS 'A table and everything below it.';

-- The table of detections and everything below it. finds_station: an index begins with station, so that stations are
-- found by jumping; finds_newest: by (station, detection_timestamp). Only an index that the queries of this extension
-- can use counts: valid, btree, ordered as the column is, of text, and without a condition but the queries' own.
CREATE FUNCTION emsn.detections_parts()
RETURNS TABLE (part regclass, kind "char", finds_station boolean, finds_newest boolean)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    -- LATERAL: the planner, who cannot know how few parts there are, would read these catalogs from end to end
    SELECT t.part,
           c.relkind,
           x.finds_station,
           x.finds_newest
    FROM emsn.settings AS s
    CROSS JOIN LATERAL emsn.table_tree(to_regclass(s.value)) AS t
    CROSS JOIN LATERAL (SELECT k.relkind FROM pg_class AS k WHERE k.oid = t.part LIMIT 1) AS c
    CROSS JOIN LATERAL (
        SELECT count(a.attnum) > 0 AS finds_station,
               count(a.attnum) FILTER (WHERE i.indnkeyatts > 1 AND i.indkey[1] = b.attnum) > 0 AS finds_newest
        FROM pg_index AS i
        JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] AND a.attname = 'station'
            AND a.atttypid IN ('text'::regtype, 'varchar'::regtype) AND a.attcollation = i.indcollation[0]
        LEFT JOIN pg_attribute AS b ON b.attrelid = i.indrelid AND b.attname = 'detection_timestamp'
        WHERE i.indrelid = t.part AND i.indisvalid
          AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = '(deleted IS NOT TRUE)')
          AND EXISTS (SELECT
                      FROM pg_opclass AS o
                      JOIN pg_am AS m ON m.oid = o.opcmethod
                      WHERE o.oid = i.indclass[0] AND o.opcdefault AND m.amname = 'btree')
    ) AS x
    WHERE s.name = 'detections';
END
$$;
COMMENT ON FUNCTION emsn.detections_parts() IS 'The table of detections and its partitions, and which indexes they have.';

CREATE FUNCTION emsn.finds_stations() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN coalesce((SELECT bool_and(p.finds_station) FROM emsn.detections_parts() AS p WHERE p.kind <> 'p'), false);
END
$$;
COMMENT ON FUNCTION emsn.finds_stations() IS 'Whether stations can be found by jumping through an index instead of reading every row.';

-- The statements that make what is missing; NULL: nothing is. CONCURRENTLY does not work on a partitioned table: its parts
-- get theirs one by one, and when none had any, the whole one adopts them, so that later parts are made with one.
-- species and deleted ride along: counting a day needs no look at the table.
CREATE FUNCTION emsn.missing_indexes(OUT tables bigint, OUT remedy text)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    WITH parts AS (
        SELECT p.part,
               p.kind = 'p' AS partitioned,
               p.finds_newest,
               format('%s (station, detection_timestamp) INCLUDE (species%s);', p.part,
                      CASE WHEN EXISTS (SELECT FROM pg_attribute AS a
                                        WHERE a.attrelid = p.part AND a.attname = 'deleted' AND NOT a.attisdropped)
                           THEN ', deleted' END) AS definition
        FROM emsn.detections_parts() AS p
        WHERE p.kind IN ('r', 'm', 'p')
    )
    SELECT count(*) FILTER (WHERE NOT p.partitioned AND NOT p.finds_newest),
           string_agg('CREATE INDEX CONCURRENTLY ON ' || p.definition, ' ' ORDER BY p.part::text)
               FILTER (WHERE NOT p.partitioned AND NOT p.finds_newest)
           || coalesce(' CREATE INDEX ON '
                       || (SELECT w.definition
                           FROM parts AS w
                           JOIN emsn.settings AS s ON s.name = 'detections' AND to_regclass(s.value) = w.part
                           WHERE w.partitioned AND NOT EXISTS (SELECT FROM parts AS o WHERE o.finds_newest)), '')
    INTO tables, remedy
    FROM parts AS p;
END
$$;
COMMENT ON FUNCTION emsn.missing_indexes() IS 'How many tables of detections lack an index on (station, detection_timestamp), and the statements that make it.';

-- health asks often: it does not read a big table from end to end for each station.
CREATE FUNCTION emsn.require_readable_detections() RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- a hundred readings of that take about a second
    small_bytes CONSTANT bigint := 16 * 1024 * 1024;
    unindexed_bytes bigint;
BEGIN
    SELECT sum(pg_relation_size(p.part))
    INTO unindexed_bytes
    FROM emsn.detections_parts() AS p
    WHERE p.kind IN ('r', 'm') AND NOT p.finds_newest;
    IF unindexed_bytes > small_bytes THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('not looked at: %s of detections without an index on (station, detection_timestamp)',
                             pg_size_pretty(unindexed_bytes)),
            HINT = (SELECT m.remedy FROM emsn.missing_indexes() AS m);
    END IF;
END
$$;
COMMENT ON FUNCTION emsn.require_readable_detections() IS 'Error 55000 when the stations cannot be judged without reading a big table from end to end.';
