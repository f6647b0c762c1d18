-- The overlap of a report: of one station, what it shared with the others.
CREATE FUNCTION emsn.report_overlap(kind text, period date, station text) RETURNS SETOF emsn.report_row
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 15
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    p CONSTANT record := emsn.report_period(report_overlap.kind, report_overlap.period);
    only_station CONSTANT text := report_overlap.station;
    shown_species CONSTANT integer := 10;
BEGIN
    IF (SELECT count(*) FROM emsn.known_stations()) < 2 THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH found AS MATERIALIZED (
        SELECT o.station, o.species, o.shared, o.repeated, o.partners
        FROM emsn.detection_overlap(p.first_day, p.last_day) AS o
        WHERE only_station IS NULL OR o.station = only_station
    ), sums AS (
        SELECT coalesce(sum(f.shared), 0) AS shared,
               coalesce(sum(f.repeated), 0) AS repeated,
               -- a pair has two ends
               coalesce(sum(f.partners), 0) / CASE WHEN only_station IS NULL THEN 2 ELSE 1 END AS pairs
        FROM found AS f
    )
    SELECT 'overlap', v.number, v.label, trim_scale(v.value), v.unit, jsonb_build_object('seconds', 5)
    FROM sums AS s
    CROSS JOIN LATERAL (VALUES (1, 'shared', s.shared, 'detections'), (2, 'repeated', s.repeated, 'detections'),
                               (3, 'pairs', s.pairs, 'pairs')) AS v (number, label, value, unit)
    UNION ALL
    (SELECT 'overlap_species', row_number() OVER (ORDER BY sum(f.shared) DESC, f.species COLLATE "C")::integer, f.species,
            sum(f.shared), 'detections', jsonb_build_object('species', f.species)
     FROM found AS f
     GROUP BY f.species
     ORDER BY 2
     LIMIT shown_species);
END
$$;
COMMENT ON FUNCTION emsn.report_overlap(text, date, text) IS 'For emsn.report: detections that two stations shared.';
