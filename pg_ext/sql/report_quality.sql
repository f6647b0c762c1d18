-- What of the period is not among the detections: rows that were refused, and rows that belong to no station.
CREATE FUNCTION emsn.report_quality(kind text, period date, station text) RETURNS SETOF emsn.report_row
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    p CONSTANT record := emsn.report_period(report_quality.kind, report_quality.period);
    only_station CONSTANT text := report_quality.station;
    nowhere bigint;
BEGIN
    RETURN QUERY
    SELECT 'data_quality', NULL::integer, 'rejected_rows', count(*)::numeric, 'rows', jsonb_build_object('station', r.station)
    FROM emsn.rejected_detections AS r
    WHERE r.day BETWEEN p.first_day AND p.last_day AND (only_station IS NULL OR r.station = only_station)
    GROUP BY r.station
    ORDER BY r.station COLLATE "C";
    IF only_station IS NULL THEN
        EXECUTE emsn.span_sql('
            SELECT count(*)
            FROM {detections} AS d
            CROSS JOIN (SELECT current_setting(''TimeZone'') AS time_zone) AS k
            WHERE d.station IS NULL AND {live}
              AND d.detection_timestamp >= ($1 {zone}) AND d.detection_timestamp < ($2 {zone})')
        INTO nowhere
        USING p.first_day::timestamp, (p.last_day + 1)::timestamp;
        RETURN NEXT ROW('data_quality', NULL, 'rows_without_station', nowhere, 'rows', '{}'::jsonb)::emsn.report_row;
    END IF;
END
$$;
COMMENT ON FUNCTION emsn.report_quality(text, date, text) IS 'For emsn.report: rejected rows, and rows without a station.';
