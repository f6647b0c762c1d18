-- Rows of a source that are not at the centre, and why. What is stored is what is so now: rows that the source no longer
-- has, or that fit by now, leave; the others keep the time at which they were first rejected.

-- refused_rows, refused_reasons: what the table of detections would not take. Rows that the station could not read bring
-- their own reason. Within 'moments' a row without a moment cannot be missed, only added to. Returns how many of the rows
-- sent are rejected.
CREATE FUNCTION emsn.store_rejected(station text, scope text, days date[], refused_rows bigint[], refused_reasons text[])
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    raw_length CONSTANT integer := 4000;
    rejected bigint := 0;
BEGIN
    -- as nearly always
    IF refused_rows IS NULL
       AND NOT EXISTS (SELECT FROM emsn.rejected_detections AS o WHERE o.station = store_rejected.station)
       AND NOT EXISTS (SELECT
                       FROM pg_temp.emsn_incoming AS i
                       WHERE i.reason IS NOT NULL OR i.day IS NULL OR i."time" IS NULL) THEN
        RETURN rejected;
    END IF;
    WITH fresh AS MATERIALIZED (
        SELECT n.day, n."time", n.reason, n.raw, n.key, row_number() OVER (PARTITION BY n.key) AS number
        FROM (
            SELECT i.day, i."time", w.reason, w.raw, ROW(i.day, i."time", w.reason, w.raw)::text AS key
            FROM pg_temp.emsn_incoming AS i
            LEFT JOIN unnest(refused_rows, refused_reasons) AS r (source_row, reason) ON r.source_row = i.source_row
            CROSS JOIN LATERAL (
                SELECT coalesce(r.reason, left(i.reason, 500), 'no date or no time'),
                       left(coalesce(i.raw, jsonb_build_array(i.day, i."time", i.species, i.common_name, i.confidence,
                                                              i.latitude, i.longitude, i.cutoff, i.week, i.sensitivity,
                                                              i.overlap, i.file_name)::text), raw_length)
            ) AS w (reason, raw)
            WHERE r.source_row IS NOT NULL OR i.reason IS NOT NULL OR i.day IS NULL OR i."time" IS NULL
        ) AS n
    ), stored AS MATERIALIZED (
        SELECT o.ctid AS place, o.day, o."time", k.key, row_number() OVER (PARTITION BY k.key ORDER BY o.rejected_at) AS number
        FROM emsn.rejected_detections AS o
        CROSS JOIN LATERAL (SELECT ROW(o.day, o."time", o.reason, o.raw)::text) AS k (key)
        WHERE o.station = store_rejected.station
    ), gone AS (
        DELETE FROM emsn.rejected_detections AS o
        USING stored AS s
        WHERE o.ctid = s.place
          AND NOT EXISTS (SELECT FROM fresh AS f WHERE f.key = s.key AND f.number = s.number)
          AND CASE scope
                  WHEN 'all' THEN true
                  WHEN 'days' THEN s.day = ANY (days) OR (s.day IS NULL AND array_position(days, NULL) IS NOT NULL)
                  ELSE EXISTS (SELECT FROM pg_temp.emsn_incoming AS i WHERE i.day = s.day AND i."time" = s."time")
              END
    ), added AS (
        INSERT INTO emsn.rejected_detections (station, day, "time", reason, raw, rejected_at)
        SELECT store_rejected.station, f.day, f."time", f.reason, f.raw, clock_timestamp()
        FROM fresh AS f
        WHERE NOT EXISTS (SELECT FROM stored AS s WHERE s.key = f.key AND s.number = f.number)
    )
    SELECT count(*)
    INTO rejected
    FROM fresh;
    RETURN rejected;
END
$$;
COMMENT ON FUNCTION emsn.store_rejected(text, text, date[], bigint[], text[]) IS 'Brings emsn.rejected_detections in line with the rows sent; returns how many of them are rejected.';
