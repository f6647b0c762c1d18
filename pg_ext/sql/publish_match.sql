-- Which detection at the centre is which row of the source. All of it runs as the owner of the table, over copies with the
-- very types of its columns, so that two values differ only if the centre can tell them apart.

-- The rows at the centre that the rows sent stand beside: FROM and WHERE, over n.
CREATE FUNCTION emsn.publish_candidates(t emsn.publish_target, scope text, days date[]) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- the whole range once more as constants, for other servers
    range CONSTANT text := CASE WHEN t.is_remote AND scope <> 'all' THEN (
        SELECT format('AND n.detection_timestamp >= (%L::timestamp %s) AND n.detection_timestamp <= (%L::timestamp %2$s)',
                      coalesce(min(i.day), 'infinity') + time '00:00', t.zone,
                      coalesce(max(i.day), '-infinity') + interval '1 day')
        FROM (SELECT unnest(days) AS day UNION ALL SELECT i.day FROM pg_temp.emsn_incoming AS i) AS i) ELSE '' END;
    sent CONSTANT text := 'FROM pg_temp.emsn_incoming AS i
                           WHERE i.reason IS NULL AND i.day IS NOT NULL AND i."time" IS NOT NULL';
BEGIN
    IF scope = 'all' THEN
        RETURN format('%s AS n WHERE n.station = %s', t.name, t.station);
    ELSIF scope = 'days' THEN
        RETURN format('unnest(%L::date[]) AS d (day)
                       JOIN %s AS n ON n.station = %s AND n.detection_timestamp >= (d.day::timestamp %s)
                                   AND n.detection_timestamp < ((d.day + 1)::timestamp %4$s) %5$s
                       WHERE true', days, t.name, t.station, t.zone, range);
    ELSIF t.keeps_clock THEN
        RETURN format('(SELECT DISTINCT i.day + i."time" AS stamp %s) AS m
                       JOIN %s AS n ON n.station = %s AND n.detection_timestamp = (m.stamp %s) %s
                       WHERE %s = m.stamp', sent, t.name, t.station, t.zone, range, t.stamp);
    END IF;
    RETURN format('(SELECT DISTINCT (i.day + i."time") %s AS instant %s) AS m
                   JOIN %s AS n ON n.station = %s AND n.detection_timestamp = m.instant %s
                   WHERE true', t.zone, sent, t.name, t.station, range);
END
$$;
COMMENT ON FUNCTION emsn.publish_candidates(emsn.publish_target, text, date[]) IS 'FROM and WHERE for the rows of a station at the centre that are to be compared with those sent.';

-- One step: pairs by row_number inside a key, among what has no pair yet; returns how many.
CREATE FUNCTION emsn.publish_pair(t emsn.publish_target, key text, same text, source_filter text, centre_filter text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN emsn.execute_as_owner(t.relation, 'pg_catalog, pg_temp', format('
        INSERT INTO pg_temp.emsn_pairs (source_row, part, place, live, differs)
        SELECT s.source_row, c.part, c.place, c.live, c.whole <> s.whole
        FROM (
            SELECT n.source_row, %1$s AS stamp, n.species, %2$s AS file, ROW(%4$s) AS key, ROW(%3$s) AS whole,
                   row_number() OVER (PARTITION BY %4$s ORDER BY n.source_row) AS number
            FROM pg_temp.emsn_source AS n
            WHERE %6$s AND NOT EXISTS (SELECT FROM pg_temp.emsn_pairs AS p WHERE p.source_row = n.source_row)
        ) AS s
        JOIN (
            SELECT n.part, n.place, n.live, %1$s AS stamp, n.species, %2$s AS file, ROW(%4$s) AS key, ROW(%3$s) AS whole,
                   row_number() OVER (PARTITION BY %4$s ORDER BY n.live DESC, n.part, n.place) AS number
            FROM pg_temp.emsn_centre AS n
            WHERE %7$s AND NOT EXISTS (SELECT FROM pg_temp.emsn_pairs AS p WHERE p.part = n.part AND p.place = n.place)
        ) AS c ON c.number = s.number AND %5$s',
        t.stamp, t.file, t.compared, key, same, source_filter, centre_filter));
END
$$;
COMMENT ON FUNCTION emsn.publish_pair(emsn.publish_target, text, text, text, text) IS 'Pairs rows of the source and of the centre that have none yet and share a key.';

-- What is equal first, so that a difference in one row is never passed on to its twins. A deleted row comes back by its
-- file name or, where either has none, as the same species in the same second.
CREATE FUNCTION emsn.publish_pairs(t emsn.publish_target, sources bigint, candidates bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    step record;
    pairs bigint := 0;
BEGIN
    FOR step IN
        SELECT k.key, k.same, k.source_filter, k.centre_filter
        FROM (VALUES
                (1, t.compared, 'c.stamp = s.stamp AND c.key = s.key', 'true', 'n.live'),
                (2, t.file, 'c.file = s.file', t.file || ' IS NOT NULL', t.file || ' IS NOT NULL'),
                (3, t.compared, 'c.stamp = s.stamp AND c.key = s.key', 'true', 'true'),
                -- a centre that was filled without file names
                (4, t.compared_but_file, 'c.stamp = s.stamp AND c.key = s.key', 'true', 'n.live AND ' || t.file || ' IS NULL'),
                (5, t.stamp || ', n.species', 'c.stamp = s.stamp AND c.species = s.species', 'true', 'n.live'),
                (6, t.stamp || ', n.species', 'c.stamp = s.stamp AND c.species = s.species', 'true',
                    'NOT n.live AND ' || t.file || ' IS NULL'),
                (7, t.stamp || ', n.species', 'c.stamp = s.stamp AND c.species = s.species', t.file || ' IS NULL',
                    'NOT n.live'),
                (8, t.stamp, 'c.stamp = s.stamp', 'true', 'n.live')
             ) AS k (number, key, same, source_filter, centre_filter)
        ORDER BY k.number
    LOOP
        EXIT WHEN pairs >= least(sources, candidates);
        pairs := pairs + emsn.publish_pair(t, step.key, step.same, step.source_filter, step.centre_filter);
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.publish_pairs(emsn.publish_target, bigint, bigint) IS 'Fills emsn_pairs: which row of the source is which at the centre.';

-- On another server a row is found again by its place. In a table of partitions there several rows have the same one, and an
-- UPDATE from here, which postgres_fdw does by place, would change them all: those of other stations too.
CREATE FUNCTION emsn.require_own_places(t emsn.publish_target) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    c record;
    part regclass;
BEGIN
    IF NOT t.is_remote THEN
        RETURN;
    END IF;
    part := (SELECT n.part FROM pg_temp.emsn_centre AS n GROUP BY n.part, n.place HAVING count(*) > 1 LIMIT 1);
    FOR c IN
        SELECT p.part::regclass AS part, array_agg(p.place) AS places
        FROM pg_temp.emsn_pairs AS p
        WHERE p.source_row IS NULL OR p.differs OR NOT p.live
        GROUP BY p.part
    LOOP
        EXIT WHEN part IS NOT NULL;
        IF emsn.execute_as_owner(t.relation, 'pg_catalog, pg_temp', format(
               'SELECT count(*) FROM %s AS n WHERE n.ctid = ANY (%L::tid[])', c.part, c.places)) > cardinality(c.places) THEN
            part := c.part;
        END IF;
    END LOOP;
    IF part IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = format('publish_apply: on its server %s is a table of partitions: rows there cannot be changed from here', part),
            HINT = 'Publish to that server itself.';
    END IF;
END
$$;
COMMENT ON FUNCTION emsn.require_own_places(emsn.publish_target) IS 'Error 0A000 when rows on another server cannot be told apart by their places.';

-- Made here because nothing can be made in a security-restricted operation. CREATE without IF NOT EXISTS, as in
-- publish_begin.
CREATE FUNCTION emsn.make_publish_tables(t emsn.publish_target) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('CREATE TEMPORARY TABLE pg_temp.emsn_source ON COMMIT DROP AS
                    SELECT 0::bigint AS source_row, %s FROM %s AS n WITH NO DATA', t.copied, t.name);
    EXECUTE format('CREATE TEMPORARY TABLE pg_temp.emsn_centre ON COMMIT DROP AS
                    SELECT n.tableoid AS part, n.ctid AS place, true AS live, %s FROM %s AS n WITH NO DATA',
                   t.copied, t.name);
    CREATE TEMPORARY TABLE pg_temp.emsn_pairs (
        source_row bigint,
        part oid,
        place tid,
        live boolean,
        differs boolean
    ) ON COMMIT DROP;
    EXECUTE format('GRANT SELECT, INSERT ON pg_temp.emsn_source, pg_temp.emsn_centre, pg_temp.emsn_pairs TO %I', t.owner);
END
$$;
COMMENT ON FUNCTION emsn.make_publish_tables(emsn.publish_target) IS 'Temporary tables in which rows of the source and of the centre are matched.';
