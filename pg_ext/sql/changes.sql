-- Which days of the table of detections changed, for those who keep what they computed from it: an ordinary table
-- NAME_changes beside it, which triggers fill. Both belong to the table's owner, stand in its schema, and know nothing of
-- this extension, nor it of them but by name: dump, restore and DROP leave either whole. A note is
-- (station, first_at, last_at) of the rows that one statement changed on one day, NULLs: anything. Nobody waits for
-- anybody: notes are only added, and taken by who reads the days again.

CREATE FUNCTION emsn.change_log(relation oid) RETURNS regclass
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT l.oid::pg_catalog.regclass
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_class AS l ON l.relnamespace = c.relnamespace
        AND l.relname = emsn.suffixed(c.relname::text, '_changes')::pg_catalog.name AND l.relkind = 'r'
    WHERE c.oid = change_log.relation
      AND (SELECT pg_catalog.string_agg(a.attname::text, ' ' ORDER BY a.attnum)
           FROM pg_catalog.pg_attribute AS a
           WHERE a.attrelid = l.oid AND a.attnum > 0 AND NOT a.attisdropped) = 'station first_at last_at';
END;
COMMENT ON FUNCTION emsn.change_log(oid) IS 'The table that notes the changes of another; NULL: there is none, or it is another one of that name.';

-- Everything below the table. A note counts only if no change can have gone unnoticed: the same table, with the same
-- partitions, columns and files (ALTER TABLE fires no trigger), triggers that nobody took off or put back (xmin), and nobody
-- who writes beside them: logical replication fires no statement triggers, a foreign partition has none.
CREATE FUNCTION emsn.change_tracking(relation oid, OUT log regclass, OUT fingerprint text)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    SELECT CASE WHEN count(*) FILTER (WHERE t.part = relation AND g.tgenabled = 'A') = 4
                     AND NOT bool_or(c.relkind NOT IN ('r', 'p'))
                     AND NOT EXISTS (SELECT
                                     FROM emsn.table_tree(relation) AS p
                                     JOIN pg_subscription_rel AS s ON s.srrelid = p.part)
                THEN md5(emsn.change_log(relation)::oid::text
                         || string_agg(concat_ws(' ', t.part::oid, c.relfilenode, k.columns, g.oid, g.xmin, g.tgenabled), ','
                                      ORDER BY t.part, g.oid))
           END
    INTO fingerprint
    FROM emsn.table_tree(relation) AS t
    JOIN pg_class AS c ON c.oid = t.part
    CROSS JOIN LATERAL (SELECT string_agg(concat_ws(' ', a.attnum, a.atttypid), ' ' ORDER BY a.attnum) AS columns
                        FROM pg_attribute AS a
                        WHERE a.attrelid = t.part AND NOT a.attisdropped
                          AND a.attname IN ('station', 'detection_timestamp', 'species', 'confidence', 'deleted')) AS k
    LEFT JOIN pg_trigger AS g ON g.tgrelid = t.part AND g.tgname LIKE 'emsn\_note\_%';
    log := CASE WHEN fingerprint IS NOT NULL THEN emsn.change_log(relation) END;
END
$$;
COMMENT ON FUNCTION emsn.change_tracking(oid) IS 'Where the changes of a table are noted, and a text that differs when some may have been missed; NULL: they are not noted.';

-- The body of the trigger's function. What a user does to the table or to the notes must not make a writer fail: without
-- the notes it does nothing, without a column it notes that anything may have changed.
CREATE FUNCTION emsn.change_trigger_body(log text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN replace(replace('
-- Notes which days a statement changed. Made by emsn.track_changes() for those who keep sums of this table; it needs nothing
-- of the extension, and goes with emsn.track_changes(false).
BEGIN
    IF to_regclass({log_text}) IS NULL THEN
        RETURN NULL;
    END IF;
    IF TG_OP = ''TRUNCATE''
       OR (SELECT count(*) FROM pg_attribute
           WHERE attrelid = TG_RELID AND attname IN (''station'', ''detection_timestamp'') AND NOT attisdropped) < 2 THEN
        INSERT INTO {log} (station, first_at, last_at) VALUES (NULL, NULL, NULL);
        RETURN NULL;
    END IF;
    IF TG_OP = ''INSERT'' THEN
        INSERT INTO {log} (station, first_at, last_at)
        SELECT n.station::text, min(n.detection_timestamp), max(n.detection_timestamp)
        FROM new_rows AS n
        GROUP BY n.station::text, date_bin(''1 day'', n.detection_timestamp, ''2000-01-01 00:00:00+00'');
    ELSIF TG_OP = ''DELETE'' THEN
        INSERT INTO {log} (station, first_at, last_at)
        SELECT n.station::text, min(n.detection_timestamp), max(n.detection_timestamp)
        FROM old_rows AS n
        GROUP BY n.station::text, date_bin(''1 day'', n.detection_timestamp, ''2000-01-01 00:00:00+00'');
    ELSE
        INSERT INTO {log} (station, first_at, last_at)
        SELECT n.station::text, min(n.detection_timestamp), max(n.detection_timestamp)
        FROM (
            SELECT o.station, o.detection_timestamp FROM old_rows AS o
            UNION ALL
            SELECT r.station, r.detection_timestamp FROM new_rows AS r
        ) AS n
        GROUP BY n.station::text, date_bin(''1 day'', n.detection_timestamp, ''2000-01-01 00:00:00+00'');
    END IF;
    RETURN NULL;
END
', '{log_text}', quote_literal(log)), '{log}', log);
END
$$;
COMMENT ON FUNCTION emsn.change_trigger_body(text) IS 'Source of the trigger function that notes changes.';

CREATE FUNCTION emsn.untrack_changes_of(relation oid) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s'
AS $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT g.tgname, t.part
        FROM emsn.table_tree(relation) AS t
        JOIN pg_trigger AS g ON g.tgrelid = t.part AND g.tgname LIKE 'emsn\_note\_%'
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', found.tgname, found.part);
    END LOOP;
    FOR found IN
        SELECT format('%I.%I', n.nspname, l.relname) AS log,
               format('%I.%I()', n.nspname, emsn.suffixed(c.relname::text, '_note_change')) AS noting
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_class AS l ON l.oid = emsn.change_log(c.oid)
        WHERE c.oid = relation
    LOOP
        EXECUTE format('DROP TABLE %s', found.log);
        EXECUTE format('DROP FUNCTION IF EXISTS %s', found.noting);
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.untrack_changes_of(oid) IS 'Takes away what notes the changes of a table.';

-- A day of the notes is one of UTC, or of the station where the column has no time zone: which it is does not matter, for
-- the moments are noted. date_bin: 20 ns a row, where a time zone costs 300.
CREATE FUNCTION emsn.track_changes_of(relation oid) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s'
AS $$
DECLARE
    t record;
    log text;
    noting text;
    part record;
    event record;
BEGIN
    SELECT n.nspname, c.relname::text AS relname, c.relkind, pg_get_userbyid(c.relowner) AS owner, c.oid::regclass::text AS shown,
           format_type(a.atttypid, NULL) AS time_type
    INTO t
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'detection_timestamp' AND NOT a.attisdropped
    WHERE c.oid = relation;
    IF t.relkind NOT IN ('r', 'p') OR EXISTS (SELECT
                                             FROM pg_partition_tree(relation) AS p
                                             JOIN pg_class AS c ON c.oid = p.relid
                                             WHERE c.relkind NOT IN ('r', 'p')) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'wrong_object_type',
            MESSAGE = format('track_changes: not all of %s are tables of this server: their changes cannot be noted', t.shown),
            HINT = 'Without it, emsn.learn_baselines() reads the whole year each time.';
    END IF;
    log := format('%I.%I', t.nspname, emsn.suffixed(t.relname, '_changes'));
    noting := format('%I.%I', t.nspname, emsn.suffixed(t.relname, '_note_change'));
    PERFORM emsn.untrack_changes_of(relation);
    EXECUTE format('CREATE TABLE %s (station text, first_at %s, last_at %2$s)', log, t.time_type);
    EXECUTE format('COMMENT ON TABLE %s IS %L', log,
                   format('Which days of %s changed since they were last learned from: station, first and last detection of the rows; NULLs: anything. Filled by triggers, emptied by emsn.learn_baselines() and emsn.check_anomalies(); goes with emsn.track_changes(false).', t.relname));
    EXECUTE format('CREATE OR REPLACE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql VOLATILE SECURITY DEFINER
                    SET search_path = pg_catalog, pg_temp AS %L', noting,
                   emsn.change_trigger_body(log));
    EXECUTE format('REVOKE ALL ON FUNCTION %s() FROM PUBLIC', noting);
    EXECUTE format('ALTER TABLE %s OWNER TO %I', log, t.owner);
    EXECUTE format('ALTER FUNCTION %s() OWNER TO %I', noting, t.owner);
    -- who writes to a partition by its own name fires that one's triggers, and the table's own else: never both
    FOR part IN SELECT p.part AS name FROM emsn.table_tree(relation) AS p LOOP
        FOR event IN
            VALUES ('insert', 'REFERENCING NEW TABLE AS new_rows'),
                   ('update', 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'),
                   ('delete', 'REFERENCING OLD TABLE AS old_rows'),
                   ('truncate', '')
        LOOP
            EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION %s()',
                           'emsn_note_' || event.column1, event.column1, part.name, event.column2, noting);
            -- also in a session that replays changes (session_replication_role)
            EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', part.name, 'emsn_note_' || event.column1);
        END LOOP;
    END LOOP;
    RETURN log;
END
$$;
COMMENT ON FUNCTION emsn.track_changes_of(oid) IS 'Makes the table and the triggers that note the changes of a table.';

CREATE FUNCTION emsn.track_changes(enabled boolean DEFAULT true) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    relation CONSTANT regclass := to_regclass((SELECT s.value FROM emsn.settings AS s WHERE s.name = 'detections'));
BEGIN
    IF enabled IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'track_changes: neither true nor false is given';
    END IF;
    PERFORM emsn.require_primary('track_changes');
    -- the words for a table that is not named or not there
    PERFORM emsn.detections_sql('');
    IF enabled THEN
        RETURN emsn.track_changes_of(relation);
    END IF;
    PERFORM emsn.untrack_changes_of(relation);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION emsn.track_changes(boolean) IS 'Notes which days of the table of detections change (true), in a table NAME_changes beside it, or stops that (false); returns the name of that table.';
