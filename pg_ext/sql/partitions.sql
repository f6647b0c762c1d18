-- Partitions by range of time: made ahead of time, and taken off when they are old. Only tables partitioned by
-- detection_timestamp alone; what is done to them is done as their owner (execute_as_owner).

-- Each partition with its ends, -infinity and infinity where it has none; the default partition is none of them, but named
-- in each row. Of a column of type timestamp the ends are taken as if they were UTC.
CREATE FUNCTION emsn.time_partitions(OUT whole regclass, OUT is_local boolean, OUT default_part regclass, OUT part regclass,
                                     OUT from_time timestamptz, OUT to_time timestamptz)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 50
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO'
AS $$
BEGIN
    RETURN QUERY
    SELECT t.oid::regclass,
           a.atttypid = 'timestamp'::regtype,
           nullif(p.partdefid, 0)::regclass,
           i.inhrelid::regclass,
           b.ends[1]::timestamptz,
           b.ends[2]::timestamptz
    FROM emsn.settings AS s
    JOIN pg_class AS t ON t.oid = to_regclass(s.value)
    JOIN pg_partitioned_table AS p ON p.partrelid = t.oid AND p.partstrat = 'r' AND p.partnatts = 1
    JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = p.partattrs[0] AND a.attname = 'detection_timestamp'
        AND a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype)
    LEFT JOIN pg_inherits AS i ON i.inhparent = t.oid AND i.inhrelid <> p.partdefid AND NOT i.inhdetachpending
    LEFT JOIN pg_class AS c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL (
        SELECT regexp_match(replace(replace(pg_get_expr(c.relpartbound, c.oid), 'MINVALUE', '''-infinity'''),
                                    'MAXVALUE', '''infinity'''),
                            'FROM \(''([^'']*)''\) TO \(''([^'']*)''\)') AS ends
    ) AS b
    WHERE s.name = 'detections';
END
$$;
COMMENT ON FUNCTION emsn.time_partitions() IS 'The partitions of a table of detections that is partitioned by time, with their ends; no rows for other tables, one with NULLs when there are none.';

-- What of a month (of UTC, as create_detections makes them) has no partition; NULL: all of it has. At most the first piece.
CREATE FUNCTION emsn.month_gap(month timestamptz, covered tstzmultirange, OUT from_time timestamptz, OUT to_time timestamptz)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    gaps CONSTANT tstzmultirange := tstzmultirange(tstzrange(month, month + interval '1 month'))
                                    - coalesce(covered, '{}');
BEGIN
    SELECT lower(g), upper(g)
    INTO from_time, to_time
    FROM unnest(gaps) AS g
    ORDER BY lower(g)
    LIMIT 1;
END
$$;
COMMENT ON FUNCTION emsn.month_gap(timestamptz, tstzmultirange) IS 'The first piece of a month that is not covered.';

-- Made beside the table and then attached: that holds up no reader of the others, and rows that the default partition has
-- of this time are moved first, in the same transaction. Rows move past the triggers of the table but those that it has on
-- each row deleted from the default partition.
CREATE FUNCTION emsn.add_partition(from_time timestamptz, to_time timestamptz, OUT part text, OUT moved bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO'
AS $$
DECLARE
    names CONSTANT text := 'pg_catalog, pg_temp';
    t record;
    first_value text;
    end_value text;
    columns text;
BEGIN
    SELECT p.whole, p.is_local, p.default_part, n.nspname AS in_schema, c.relname AS base
    INTO t
    FROM emsn.time_partitions() AS p
    JOIN pg_class AS c ON c.oid = p.whole
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LIMIT 1;
    -- a month that was taken off may still be there under this name
    FOR number IN 1..100 LOOP
        part := format('%I.%I', t.in_schema, emsn.suffixed(
            t.base, to_char(from_time, CASE WHEN from_time = date_trunc('month', from_time) THEN '_YYYY_MM'
                                            ELSE '_YYYY_MM_DD_HH24MI' END) || CASE WHEN number > 1 THEN '_' || number ELSE '' END));
        EXIT WHEN to_regclass(part) IS NULL;
    END LOOP;
    first_value := quote_literal(CASE WHEN t.is_local THEN (from_time AT TIME ZONE 'UTC')::text ELSE from_time::text END);
    end_value := quote_literal(CASE WHEN t.is_local THEN (to_time AT TIME ZONE 'UTC')::text ELSE to_time::text END);
    moved := 0;
    PERFORM emsn.execute_as_owner(t.whole, names, format(
        'CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING IDENTITY EXCLUDING INDEXES)', part, t.whole));
    IF t.default_part IS NOT NULL THEN
        SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
        INTO columns
        FROM pg_attribute AS a
        WHERE a.attrelid = t.whole AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
        -- or rows might come between the move and the end of this transaction
        PERFORM emsn.execute_as_owner(t.whole, names, format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', t.default_part));
        moved := emsn.execute_as_owner(t.whole, names, format(
            'WITH gone AS (DELETE FROM ONLY %1$s AS d
                           WHERE d.detection_timestamp OPERATOR(pg_catalog.>=) %2$s
                             AND d.detection_timestamp OPERATOR(pg_catalog.<) %3$s
                           RETURNING %4$s)
             INSERT INTO %5$s (%4$s) SELECT %4$s FROM gone', t.default_part, first_value, end_value, columns, part));
    END IF;
    PERFORM emsn.execute_as_owner(t.whole, names, format(
        'ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%s)', t.whole, part, first_value, end_value));
END
$$;
COMMENT ON FUNCTION emsn.add_partition(timestamptz, timestamptz) IS 'Adds one partition to a table of detections that is partitioned by time, and moves the rows that the default partition has of it.';

-- lock_timeout: who reads for an hour must not make every publisher wait behind this; the next run tries again.
CREATE FUNCTION emsn.maintain_partitions(months_ahead integer DEFAULT 3)
RETURNS TABLE (partition text, from_time timestamptz, to_time timestamptz, moved bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 3
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET lock_timeout = '2s'
AS $$
DECLARE
    -- fewer rows of a month in the default partition are wrong dates, which make no partition
    least_rows CONSTANT bigint := 1000;
    t record;
    filled timestamptz[];
    month timestamptz;
    gap record;
    made record;
BEGIN
    IF months_ahead IS NULL OR months_ahead NOT BETWEEN 0 AND 120 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('maintain_partitions: months_ahead is 0 to 120, not %s', coalesce(months_ahead::text, 'NULL'));
    END IF;
    PERFORM emsn.require_primary('maintain_partitions');
    SELECT p.whole, p.default_part INTO t FROM emsn.time_partitions() AS p LIMIT 1;
    IF NOT FOUND THEN
        RETURN; -- nothing to do for a table that is not partitioned by time
    END IF;
    IF t.default_part IS NOT NULL AND pg_relation_size(t.default_part) > 0 THEN
        EXECUTE format('SELECT array_agg(m.month)
                        FROM (SELECT date_trunc(''month'', d.detection_timestamp::timestamptz)
                              FROM ONLY %s AS d
                              WHERE isfinite(d.detection_timestamp)
                              GROUP BY 1
                              HAVING count(*) >= $1) AS m (month)', t.default_part)
        INTO filled USING least_rows;
    END IF;
    FOR month IN
        SELECT date_trunc('month', statement_timestamp()) + make_interval(months => n)
        FROM generate_series(0, months_ahead) AS n
        UNION
        SELECT unnest(filled)
        ORDER BY 1
    LOOP
        SELECT g.from_time, g.to_time
        INTO gap
        FROM emsn.month_gap(month, (SELECT range_agg(tstzrange(p.from_time, p.to_time))
                                    FROM emsn.time_partitions() AS p
                                    WHERE p.part IS NOT NULL)) AS g;
        CONTINUE WHEN gap.from_time IS NULL;
        SELECT a.part, a.moved INTO made FROM emsn.add_partition(gap.from_time, gap.to_time) AS a;
        partition := made.part;
        from_time := gap.from_time;
        to_time := gap.to_time;
        moved := made.moved;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.maintain_partitions(integer) IS 'Makes the partitions of this and the next months that are missing, and those of which the default partition holds 1,000 rows; nothing for a table that is not partitioned by time.';

CREATE FUNCTION emsn.detach_partitions(older_than interval, dry_run boolean DEFAULT true)
RETURNS TABLE (partition text, from_time timestamptz, to_time timestamptz, bytes bigint, detached boolean)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $$
DECLARE
    t record;
BEGIN
    IF older_than IS NULL OR dry_run IS NULL OR older_than < interval '1 month' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('detach_partitions: older_than is 1 month or more, not %s; dry_run is true or false',
                             coalesce(older_than::text, 'NULL'));
    END IF;
    PERFORM emsn.require_primary('detach_partitions');
    IF NOT EXISTS (SELECT FROM emsn.time_partitions()) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'wrong_object_type',
            MESSAGE = 'detach_partitions: the table of detections is not partitioned by detection_timestamp',
            HINT = 'Delete old rows, or make one that is: emsn.create_detections(name, partition_by => ''month'').';
    END IF;
    IF NOT dry_run THEN
        PERFORM FROM emsn.sync_state AS s ORDER BY s.station FOR UPDATE; -- nobody publishes between the counting and the end
    END IF;
    FOR t IN
        SELECT p.whole, p.part, p.from_time, p.to_time
        FROM emsn.time_partitions() AS p
        WHERE p.to_time <= statement_timestamp() - older_than
        ORDER BY p.to_time
    LOOP
        partition := format('%s', t.part);
        from_time := t.from_time;
        to_time := t.to_time;
        bytes := pg_total_relation_size(t.part);
        detached := false;
        IF NOT dry_run THEN
            -- a station's next whole comparison would find its rows gone, and send all of them again
            UPDATE emsn.sync_state AS s
            SET live_rows = s.live_rows - g.rows
            FROM emsn.query_as_owner(t.whole, emsn.detections_sql(format(
                     'SELECT d.station::text, count(*) FROM %s AS d WHERE {live} GROUP BY 1', t.part))) AS g (station text, rows bigint)
            WHERE s.station = g.station;
            PERFORM emsn.execute_as_owner(t.whole, 'pg_catalog, pg_temp',
                                          format('ALTER TABLE %s DETACH PARTITION %s', t.whole, t.part));
            detached := true;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.detach_partitions(interval, boolean) IS 'Takes partitions off the table of detections that end longer ago than older_than; they stay as tables of their own. Lists them only, unless dry_run is false.';
