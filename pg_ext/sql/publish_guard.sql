-- No deletion by mistake: a birds.db that is empty, new, or restored from an old copy takes nothing away at the centre.
-- The second look, at how many rows would be marked deleted, comes when that is known.

CREATE FUNCTION emsn.refuse_deletion(station text, reason text, wanted bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'EM001',
        MESSAGE = format('nothing is changed at the centre for station "%s": %s', station, reason),
        HINT = format('Look at the source first. If it is right, publish once with the option "max_delete": %s', wanted);
END
$$;
COMMENT ON FUNCTION emsn.refuse_deletion(text, text, bigint) IS 'Error EM001: the deletion guard.';

CREATE FUNCTION emsn.guard_source(station text, source_rows bigint, live_rows bigint, max_delete bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF max_delete IS NOT NULL THEN
        RETURN;
    END IF;
    IF source_rows = 0 AND live_rows > 0 THEN
        PERFORM emsn.refuse_deletion(station, format('the source is empty, live rows at the centre: %s', live_rows),
                                     live_rows);
    ELSIF source_rows * 2 < live_rows THEN
        PERFORM emsn.refuse_deletion(
            station, format('rows of the source: %s, less than half of the %s live rows at the centre', source_rows,
                            live_rows),
            live_rows - source_rows);
    END IF;
END
$$;
COMMENT ON FUNCTION emsn.guard_source(text, bigint, bigint, bigint) IS 'Refuses a source that is empty or much smaller than the centre, unless max_delete is given.';

CREATE FUNCTION emsn.guard_deletions(station text, deletions bigint, max_delete bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    most_without_asking CONSTANT bigint := 50;
    most CONSTANT bigint := coalesce(max_delete, most_without_asking);
BEGIN
    IF deletions > most THEN
        PERFORM emsn.refuse_deletion(
            station, format('rows that would be marked deleted: %s, more than the %s allowed', deletions, most), deletions);
    END IF;
END
$$;
COMMENT ON FUNCTION emsn.guard_deletions(text, bigint, bigint) IS 'Refuses to mark more rows deleted than max_delete, or 50 unless that is given.';
