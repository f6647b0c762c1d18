-- What a table of detections wants once a day, as one job.

-- SECURITY DEFINER: a role for jobs needs no right on the table.
CREATE FUNCTION emsn.maintain() RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    started CONSTANT timestamptz := clock_timestamp();
    made bigint;
    unlearned text;
BEGIN
    -- which servers answer is asked with the rights of whoever calls: nobody's table is a way to ours
    IF emsn.has_many_stations()
       AND EXISTS (SELECT
                   FROM emsn.settings AS s
                   JOIN pg_class AS c ON c.oid = to_regclass(s.value)
                   JOIN pg_roles AS o ON o.oid = c.relowner
                   WHERE s.name = 'detections' AND c.relkind <> 'v' AND (o.rolsuper OR NOT emsn.is_remote())) THEN
        BEGIN
            PERFORM emsn.learn_habits();
        EXCEPTION WHEN OTHERS THEN
            unlearned := SQLERRM;
        END;
    END IF;
    -- last: what is locked for new partitions stays so until the end
    SELECT count(*) INTO made FROM emsn.maintain_partitions();
    PERFORM emsn.record_run('maintain', 'all stations', started, made,
                            coalesce('what is usual was not learned: ' || unlearned, 'ok'));
    RETURN made;
END
$$;
COMMENT ON FUNCTION emsn.maintain() IS 'Partitions ahead of time, and what is usual where there are many stations; returns how many partitions it made.';
