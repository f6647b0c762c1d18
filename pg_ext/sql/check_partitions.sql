-- Check of partitions by time: the months to come have theirs, and rows do not pile up in the default partition. Catalogs
-- and counters only, so that a locked table is looked at too. No rows for tables that are not partitioned by time.
CREATE FUNCTION emsn.check_partitions() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 2
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    make CONSTANT text := 'SELECT * FROM emsn.maintain_partitions();';
    -- enough to look ahead; a year is there after create_detections
    most_months CONSTANT integer := 12;
    t record;
    covered tstzmultirange;
    ready integer;
    waiting bigint;
BEGIN
    SELECT p.whole, p.default_part INTO t FROM emsn.time_partitions() AS p LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT range_agg(tstzrange(p.from_time, p.to_time))
    INTO covered
    FROM emsn.time_partitions() AS p
    WHERE p.part IS NOT NULL;
    -- 0: this month has its partition and the next has none; -1: not even this one
    SELECT coalesce(min(n), most_months + 1) - 1
    INTO ready
    FROM generate_series(0, most_months) AS n
    CROSS JOIN LATERAL emsn.month_gap(date_trunc('month', statement_timestamp()) + make_interval(months => n), covered) AS g
    WHERE g.from_time IS NOT NULL;
    RETURN NEXT emsn.judge(
        'partitions', t.whole::text, ready, 'months', NULL, true, '0', NULL,
        CASE WHEN ready < 0 THEN 'this month has no partition'
             ELSE format('partitions for the next %s month%s%s', ready, CASE WHEN ready <> 1 THEN 's' END,
                         CASE WHEN ready = most_months THEN ' or more' END) END,
        make);
    IF t.default_part IS NULL THEN
        RETURN;
    END IF;
    SELECT greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)
    INTO waiting
    FROM pg_class AS c
    WHERE c.oid = t.default_part AND pg_relation_size(c.oid) > 0;
    RETURN NEXT emsn.judge(
        'partitions', t.default_part::text, coalesce(waiting, 0), 'rows', NULL, false, '100000', NULL,
        format('about %s row%s outside all months, in the default partition', coalesce(waiting, 0),
               CASE WHEN waiting IS DISTINCT FROM 1 THEN 's' END),
        make || ' It makes their months and moves them.');
END
$$;
COMMENT ON FUNCTION emsn.check_partitions() IS 'How many months ahead have a partition, and how many rows are in the default partition.';
