-- A report as rows. Runs as the caller, as the views do: SELECT on the table of detections is needed. docs/reports.md says
-- of each number what it is and which SQL gives it. STABLE, as all it stands on: one snapshot, so that its numbers agree while
-- rows arrive.
CREATE FUNCTION emsn.report(kind text, period date, station text DEFAULT NULL)
RETURNS TABLE (section text, "position" integer, label text, value numeric, unit text, detail jsonb)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 500
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    sections CONSTANT text[] := '{period,totals,top_species,new_species,rare_species,first_of_year,busiest,hour_by_day,by_day,
                                  by_week,by_station,overlap,overlap_species,weather,data_quality,system}';
BEGIN
    PERFORM emsn.chosen_stations(report.station);
    RETURN QUERY
    SELECT r.section,
           row_number() OVER (PARTITION BY r.section ORDER BY r.source, r."position", r.number)::integer,
           r.label,
           r.value,
           r.unit,
           r.detail
    FROM (
        SELECT 1 AS source, b.*
        FROM emsn.report_birds(report.kind, report.period, report.station)
            WITH ORDINALITY AS b (section, "position", label, value, unit, detail, number)
        UNION ALL
        SELECT 2, w.*
        FROM emsn.report_weather(report.kind, report.period)
            WITH ORDINALITY AS w (section, "position", label, value, unit, detail, number)
        UNION ALL
        SELECT 3, q.*
        FROM emsn.report_quality(report.kind, report.period, report.station)
            WITH ORDINALITY AS q (section, "position", label, value, unit, detail, number)
        UNION ALL
        SELECT 4, s.*
        FROM emsn.report_system(report.kind, report.period, report.station)
            WITH ORDINALITY AS s (section, "position", label, value, unit, detail, number)
    ) AS r
    ORDER BY array_position(sections, r.section), 2;
END
$$;
COMMENT ON FUNCTION emsn.report(text, date, text) IS 'Report of the month (monthly) or ISO week (weekly) that holds the day, of all stations or one: a row for each number, explained in docs/reports.md.';
