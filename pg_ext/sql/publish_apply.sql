-- The end of a publication: the rows sent become what the centre holds, and the position is stored with them.

CREATE TYPE emsn.publish_counts AS (
    inserted bigint,
    updated bigint,
    deleted bigint,
    restored bigint,
    missing bigint,
    refused_rows bigint[],
    refused_reasons text[]
);
COMMENT ON TYPE emsn.publish_counts IS 'For publishing: what was changed at the centre, and which rows it refused.';

-- Nothing stands beside the rows sent, as at the first load and for new detections: they go in as they are.
CREATE FUNCTION emsn.publish_new(t emsn.publish_target, sent bigint) RETURNS emsn.publish_counts
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    c emsn.publish_counts;
BEGIN
    SELECT r.changed, 0, 0, 0, 0, r.refused_rows, r.refused_reasons
    INTO c
    FROM emsn.publish_rows(
        t, t.search_path, 'pg_temp.emsn_incoming', sent,
        format('INSERT INTO %s (station, %s)
                SELECT %s, %s
                FROM pg_temp.emsn_incoming AS i
                WHERE i.reason IS NULL AND i.day IS NOT NULL AND i."time" IS NOT NULL',
               t.name, t.columns, t.station, t.sources),
        NULL) AS r;
    RETURN c;
END
$$;
COMMENT ON FUNCTION emsn.publish_new(emsn.publish_target, bigint) IS 'Inserts the rows sent.';

CREATE FUNCTION emsn.publish_matched(t emsn.publish_target, station text, scope text, days date[], sent bigint,
                                     max_delete bigint)
RETURNS emsn.publish_counts
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    names CONSTANT text := 'pg_catalog, pg_temp';
    -- the planner's guess does for fewer
    worth_analyzing CONSTANT bigint := 10000;
    -- A clock hour that was skipped falls on the next one: where the table keeps no clock time, a row of that hour
    -- looks as if it stood in this second.
    skipped CONSTANT text := CASE WHEN scope = 'moments' AND NOT t.keeps_clock AND t.zone <> '' THEN format(
        'AND ((n.detection_timestamp %1$s) - interval ''1 hour'') %1$s <> n.detection_timestamp', t.zone) ELSE '' END;
    -- a row that cannot be read any more, or not stored as it is now, takes nothing away
    rejected CONSTANT text := format(
        'AND NOT EXISTS (SELECT FROM pg_temp.emsn_incoming AS r
                         WHERE r.day + r."time" = %s
                           AND NOT EXISTS (SELECT FROM pg_temp.emsn_source AS s WHERE s.source_row = r.source_row))', t.stamp);
    change CONSTANT text := 'UPDATE %s AS t SET %s
                             FROM pg_temp.emsn_pairs AS i
                             JOIN pg_temp.emsn_source AS s ON s.source_row OPERATOR(pg_catalog.=) i.source_row
                             WHERE t.ctid OPERATOR(pg_catalog.=) i.place AND t.tableoid OPERATOR(pg_catalog.=) i.part
                               AND %s';
    -- by constants too where the rows lie on another server, or all of them would be read and locked there
    chosen CONSTANT text := CASE WHEN t.is_remote THEN
        ' AND t.station OPERATOR(pg_catalog.=) %s AND t.ctid OPERATOR(pg_catalog.=) ANY (%L::pg_catalog.tid[])' ELSE '' END;
    expected CONSTANT text := 'SELECT count(*) FROM pg_temp.emsn_pairs AS i WHERE ';
    sources bigint;
    candidates bigint;
    pairs bigint;
    paired bigint;
    r record;
    c emsn.publish_counts;
BEGIN
    PERFORM emsn.make_publish_tables(t);
    SELECT n.changed, n.refused_rows, n.refused_reasons
    INTO sources, c.refused_rows, c.refused_reasons
    FROM emsn.publish_rows(
        t, names, 'pg_temp.emsn_incoming', sent,
        format('INSERT INTO pg_temp.emsn_source (source_row, %s)
                SELECT i.source_row, %s
                FROM pg_temp.emsn_incoming AS i
                WHERE i.reason IS NULL AND i.day IS NOT NULL AND i."time" IS NOT NULL', t.columns, t.sources),
        NULL) AS n;
    candidates := emsn.execute_as_owner(t.relation, names, format(
        'INSERT INTO pg_temp.emsn_centre (part, place, live, %s) SELECT n.tableoid, n.ctid, %s, %s FROM %s',
        t.columns, t.live, t.copied, emsn.publish_candidates(t, scope, days)));
    IF greatest(sources, candidates) > worth_analyzing THEN
        ANALYZE pg_temp.emsn_source, pg_temp.emsn_centre;
    END IF;
    PERFORM emsn.publish_pairs(t, sources, candidates);
    IF greatest(sources, candidates) > worth_analyzing THEN
        ANALYZE pg_temp.emsn_pairs;
    END IF;

    -- what is left at the centre is a pair without a row of the source
    c.deleted := emsn.execute_as_owner(t.relation, names, format(
        'INSERT INTO pg_temp.emsn_pairs (part, place, live)
         SELECT n.part, n.place, n.live
         FROM pg_temp.emsn_centre AS n
         WHERE n.live AND NOT EXISTS (SELECT FROM pg_temp.emsn_pairs AS p WHERE p.part = n.part AND p.place = n.place)
               %s %s', skipped, CASE WHEN sources < sent THEN rejected END));
    PERFORM emsn.require_own_places(t);
    c.missing := 0;
    IF t.set_deleted IS NULL THEN
        c.missing := c.deleted;
        c.deleted := 0;
    END IF;
    PERFORM emsn.guard_deletions(station, c.deleted, max_delete);
    IF c.deleted > 0 THEN
        IF emsn.execute_as_owner(t.relation, t.search_path, format(
               'UPDATE %s AS t SET %s FROM pg_temp.emsn_pairs AS i
                WHERE t.ctid OPERATOR(pg_catalog.=) i.place AND t.tableoid OPERATOR(pg_catalog.=) i.part
                  AND i.source_row IS NULL', t.name, t.set_deleted)
               || format(chosen, t.station, ARRAY(SELECT p.place FROM pg_temp.emsn_pairs AS p WHERE p.source_row IS NULL)))
           <> c.deleted THEN
            RAISE EXCEPTION USING
                ERRCODE = 'serialization_failure',
                MESSAGE = 'detections that are gone were changed by somebody else meanwhile',
                HINT = 'Publish again.';
        END IF;
    END IF;

    SELECT count(*), count(p.source_row), count(*) FILTER (WHERE p.live AND p.differs), count(*) FILTER (WHERE NOT p.live)
    INTO pairs, paired, c.updated, c.restored
    FROM pg_temp.emsn_pairs AS p;
    IF c.updated > 0 THEN
        SELECT * INTO r FROM emsn.publish_rows(
            t, t.search_path, 'pg_temp.emsn_pairs', pairs, format(change, t.name, t.assignments, 'i.live AND i.differs')
               || format(chosen, t.station, ARRAY(SELECT p.place FROM pg_temp.emsn_pairs AS p WHERE p.live AND p.differs)),
            expected || 'i.live AND i.differs');
        c.updated := r.changed;
        c.refused_rows := c.refused_rows || r.refused_rows;
        c.refused_reasons := c.refused_reasons || r.refused_reasons;
    END IF;
    IF c.restored > 0 THEN
        SELECT * INTO r FROM emsn.publish_rows(
            t, t.search_path, 'pg_temp.emsn_pairs', pairs,
            format(change, t.name, concat_ws(', ', t.assignments, t.set_live), 'NOT i.live')
               || format(chosen, t.station, ARRAY(SELECT p.place FROM pg_temp.emsn_pairs AS p WHERE NOT p.live)),
            expected || 'NOT i.live');
        c.restored := r.changed;
        c.refused_rows := c.refused_rows || r.refused_rows;
        c.refused_reasons := c.refused_reasons || r.refused_reasons;
    END IF;
    c.inserted := 0;
    IF sources > paired THEN
        SELECT * INTO r FROM emsn.publish_rows(
            t, t.search_path, 'pg_temp.emsn_source', sources,
            format('INSERT INTO %s (station, %s)
                    SELECT %s, %s
                    FROM pg_temp.emsn_source AS i
                    WHERE NOT EXISTS (SELECT FROM pg_temp.emsn_pairs AS p
                                      WHERE p.source_row OPERATOR(pg_catalog.=) i.source_row)',
                   t.name, t.columns, t.station, t.columns),
            NULL);
        c.inserted := r.changed;
        c.refused_rows := c.refused_rows || r.refused_rows;
        c.refused_reasons := c.refused_reasons || r.refused_reasons;
    END IF;
    RETURN c;
END
$$;
COMMENT ON FUNCTION emsn.publish_matched(emsn.publish_target, text, text, date[], bigint, bigint) IS 'Makes the rows of a station at the centre those that were sent: updates, marks deleted, restores, inserts.';

-- What a publisher may ask for; anything else is a mistake that is better told than ignored.
CREATE FUNCTION emsn.publish_options(options jsonb, OUT max_delete bigint, OUT compared boolean)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM jsonb_object_keys(options) AS k WHERE k NOT IN ('max_delete', 'compared'))
       OR coalesce(options ->> 'max_delete', '0') !~ '^[0-9]{1,18}$'
       OR coalesce(options ->> 'compared', 'false') NOT IN ('true', 'false') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('publish_apply: options are max_delete (a number) and compared (true or false), not %s', options);
    END IF;
    max_delete := options ->> 'max_delete';
    compared := coalesce((options ->> 'compared')::boolean, false);
END
$$;
COMMENT ON FUNCTION emsn.publish_options(jsonb) IS 'The options of publish_apply; error 22023 for others.';

-- What was sent, and that it is what the scope says: rows of other days would be doubled.
CREATE FUNCTION emsn.check_incoming(scope text, days date[], source_rows bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    sent CONSTANT bigint := (SELECT count(*) FROM pg_temp.emsn_incoming AS i);
    other_days bigint := 0;
BEGIN
    IF scope = 'days' THEN
        SELECT count(*)
        INTO other_days
        FROM (SELECT DISTINCT i.day FROM pg_temp.emsn_incoming AS i) AS d
        WHERE array_position(days, d.day) IS NULL;
    END IF;
    IF other_days > 0 OR sent > source_rows OR (scope = 'all' AND sent <> source_rows) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('publish_apply: %s rows were sent of %s; days among them that are not named: %s', sent,
                             source_rows, other_days);
    END IF;
    RETURN sent;
END
$$;
COMMENT ON FUNCTION emsn.check_incoming(text, date[], bigint) IS 'How many rows were sent; error 22023 when they are not those of the scope.';

-- What text a value becomes must not depend on the publisher's settings.
CREATE FUNCTION emsn.publish_apply(station text, scope text, days jsonb, rows bigint, "position" jsonb, options jsonb)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO'
SET extra_float_digits = 1
SET jit = off
AS $$
DECLARE
    wanted CONSTANT record := emsn.publish_options(coalesce(options, '{}'));
    named_days CONSTANT date[] := ARRAY(SELECT n.day FROM jsonb_to_recordset(days) AS n (day date));
    begun record;
    state record;
    t emsn.publish_target;
    sent bigint;
    live_before bigint;
    c emsn.publish_counts;
    rejected bigint;
BEGIN
    PERFORM emsn.require_publisher(station);
    PERFORM emsn.require_primary('publish_apply');
    begun := emsn.require_publish_begun(station);
    IF scope IS NULL OR scope NOT IN ('moments', 'days', 'all') OR rows IS NULL OR rows < 0 OR "position" IS NULL
       OR days IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'publish_apply: scope is moments, days or all; days, rows and position are given';
    END IF;
    SELECT s.live_rows, s.time_zone
    INTO state
    FROM emsn.sync_state AS s
    WHERE s.station = publish_apply.station
    FOR UPDATE;
    IF scope <> 'all' AND state.time_zone IS DISTINCT FROM begun.time_zone THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('publish_apply: station "%s" has not published in time zone %s yet', station, begun.time_zone),
            HINT = 'Send all rows, with the scope all.';
    END IF;
    sent := emsn.check_incoming(scope, named_days, rows);
    t := emsn.describe_publish_target(station, begun.time_zone);
    live_before := CASE scope WHEN 'moments' THEN state.live_rows ELSE emsn.count_live_rows(station) END;
    PERFORM emsn.guard_source(station, rows, live_before, wanted.max_delete);
    IF t.owner <> current_user THEN
        EXECUTE format('GRANT SELECT ON pg_temp.emsn_incoming TO %I', t.owner);
    END IF;
    IF emsn.execute_as_owner(t.relation, 'pg_catalog, pg_temp', format(
           'SELECT count(*) FROM (SELECT FROM %s LIMIT 1) AS f', emsn.publish_candidates(t, scope, named_days))) = 0 THEN
        c := emsn.publish_new(t, sent);
    ELSE
        c := emsn.publish_matched(t, station, scope, named_days, sent, wanted.max_delete);
    END IF;
    rejected := emsn.store_rejected(station, scope, named_days, c.refused_rows, c.refused_reasons);
    PERFORM emsn.store_publish_days(station, scope, days);
    PERFORM emsn.store_publish_state(station, begun.time_zone, rows, live_before + c.inserted + c.restored - c.deleted,
                                     "position", wanted.compared OR scope = 'all');
    -- or a second call would add its moments twice
    DROP TABLE pg_temp.emsn_incoming;
    RETURN jsonb_build_object(
        'inserted', c.inserted,
        'updated', c.updated,
        'deleted', c.deleted,
        'restored', c.restored,
        'unchanged', rows - c.inserted - c.updated - c.restored - rejected,
        'rejected', rejected,
        'missing', c.missing);
END
$$;
COMMENT ON FUNCTION emsn.publish_apply(text, text, jsonb, bigint, jsonb, jsonb) IS 'Makes the centre hold the rows in pg_temp.emsn_incoming, and stores the position; errors 42501, 22023, 55000, EM001 (deletion guard), 40001 (changed meanwhile).';
