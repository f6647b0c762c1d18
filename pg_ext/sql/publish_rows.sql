-- Changes of the user's table that one row cannot spoil for the others.

-- condition: which rows of the temporary table i. expected: how many changes those should be, NULL: whatever comes.
CREATE FUNCTION emsn.publish_range(t emsn.publish_target, search_path text, statement text, expected text, condition text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changed CONSTANT bigint := emsn.execute_as_owner(t.relation, search_path, statement || condition);
    wanted bigint;
BEGIN
    IF expected IS NOT NULL THEN
        EXECUTE expected || condition INTO wanted;
        IF changed <> wanted THEN
            RAISE EXCEPTION USING
                ERRCODE = 'serialization_failure',
                MESSAGE = format('%s of %s detections were changed by somebody else meanwhile', wanted - changed, wanted),
                HINT = 'Publish again.';
        END IF;
    END IF;
    RETURN changed;
END
$$;
COMMENT ON FUNCTION emsn.publish_range(emsn.publish_target, text, text, text, text) IS 'Runs a statement over some rows of a temporary table; error 40001 when fewer rows were changed than expected.';

-- Set-based first, in pieces so that a value near the end does not throw a million rows away; a piece that fails in chunks,
-- and a chunk that fails row by row. statement and expected end in a WHERE clause over the temporary table i, which has
-- total_rows rows, and are completed by ranges of its ctid: its blocks are read once.
CREATE FUNCTION emsn.publish_rows(t emsn.publish_target, search_path text, over_table text, total_rows bigint,
                                  statement text, expected text,
                                  OUT changed bigint, OUT refused_rows bigint[], OUT refused_reasons text[])
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    piece_rows CONSTANT bigint := 50000;
    chunk_rows CONSTANT bigint := 1000;
    range_sql CONSTANT text := ' AND i.ctid OPERATOR(pg_catalog.>=) ''(%s,0)''::pg_catalog.tid'
                               ' AND i.ctid OPERATOR(pg_catalog.<) ''(%s,0)''::pg_catalog.tid';
    blocks CONSTANT bigint := pg_relation_size(over_table::regclass) / current_setting('block_size')::bigint;
    piece_blocks CONSTANT bigint := greatest(piece_rows * blocks / greatest(total_rows, 1), 1);
    chunk_blocks CONSTANT bigint := greatest(chunk_rows * blocks / greatest(total_rows, 1), 1);
    piece bigint;
    chunk bigint;
    one record;
BEGIN
    changed := 0;
    FOR piece IN SELECT generate_series(0, blocks - 1, piece_blocks) LOOP
        BEGIN
            changed := changed + emsn.publish_range(t, search_path, statement, expected,
                                                    format(range_sql, piece, piece + piece_blocks));
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR raise_exception OR program_limit_exceeded THEN
            FOR chunk IN SELECT generate_series(piece, least(piece + piece_blocks, blocks) - 1, chunk_blocks) LOOP
                BEGIN
                    changed := changed + emsn.publish_range(
                        t, search_path, statement, expected,
                        format(range_sql, chunk, least(chunk + chunk_blocks, piece + piece_blocks)));
                EXCEPTION WHEN data_exception OR integrity_constraint_violation OR raise_exception
                               OR program_limit_exceeded THEN
                    FOR one IN EXECUTE format('SELECT i.ctid AS place, i.source_row FROM %s AS i WHERE true', over_table)
                                       || format(range_sql, chunk, least(chunk + chunk_blocks, piece + piece_blocks)) LOOP
                        BEGIN
                            changed := changed + emsn.publish_range(
                                t, search_path, statement, expected,
                                format(' AND i.ctid OPERATOR(pg_catalog.=) %L::pg_catalog.tid', one.place));
                        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR raise_exception
                                       OR program_limit_exceeded THEN
                            refused_rows := refused_rows || one.source_row;
                            refused_reasons := refused_reasons || left(SQLERRM, 500);
                        END;
                    END LOOP;
                END;
            END LOOP;
        END;
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.publish_rows(emsn.publish_target, text, text, bigint, text, text) IS 'Runs a statement over all rows of a temporary table but those that the table of detections refuses; returns how many were changed, and the source_row and reason of those refused.';
