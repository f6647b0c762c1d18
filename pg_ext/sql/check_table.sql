-- Checks of the table of detections as a table: found by an index, kept clean. Catalogs and counters only, so that a
-- locked table is looked at too. No rows where none is named, and for views and foreign tables.

CREATE FUNCTION emsn.check_detections_index() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    t record;
BEGIN
    SELECT s.value AS name, m.tables, m.remedy, a.atttypid::regtype AS station_type,
           a.atttypid IN ('text'::regtype, 'varchar'::regtype) AS is_text
    INTO t
    FROM emsn.settings AS s
    JOIN pg_class AS c ON c.oid = to_regclass(s.value) AND c.relkind IN ('r', 'm', 'p')
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'station' AND NOT a.attisdropped
    CROSS JOIN emsn.missing_indexes() AS m
    WHERE s.name = 'detections';
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN NEXT emsn.judge(
        'detections_index', t.name, t.tables, 'tables', NULL, false, '1', NULL,
        CASE WHEN t.tables = 0 THEN 'an index finds the newest detections of a station'
             WHEN NOT t.is_text THEN format('station is %s: no index finds the detections of a station', t.station_type)
             ELSE format('no index on (station, detection_timestamp)%s: every answer reads all of it',
                         CASE WHEN t.tables > 1 THEN format(' in %s partitions', t.tables) END)
        END,
        CASE WHEN t.is_text THEN t.remedy
             ELSE format('ALTER TABLE %s ALTER station TYPE text; it rewrites the table.', to_regclass(t.name)) END);
END
$$;
COMMENT ON FUNCTION emsn.check_detections_index() IS 'How many tables of detections lack an index on (station, detection_timestamp).';

-- Dead rows beside the number at which autovacuum begins. A standby counts none: its primary does.
CREATE FUNCTION emsn.check_dead_tuples() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- below, autovacuum may simply not have come round
    least_rows CONSTANT numeric := 10000;
    t record;
BEGIN
    IF pg_is_in_recovery() THEN
        RETURN;
    END IF;
    SELECT p.part,
           pg_stat_get_dead_tuples(p.part) AS dead,
           greatest(o.threshold + o.scale * greatest(c.reltuples, 0)::numeric, least_rows) AS begins_at,
           o.enabled,
           greatest(pg_stat_get_last_vacuum_time(p.part), pg_stat_get_last_autovacuum_time(p.part)) AS vacuumed_at
    INTO t
    FROM emsn.detections_parts() AS p
    JOIN pg_class AS c ON c.oid = p.part
    CROSS JOIN LATERAL (
        SELECT coalesce(max(r.option_value) FILTER (WHERE r.option_name = 'autovacuum_vacuum_threshold'),
                        current_setting('autovacuum_vacuum_threshold'))::numeric AS threshold,
               coalesce(max(r.option_value) FILTER (WHERE r.option_name = 'autovacuum_vacuum_scale_factor'),
                        current_setting('autovacuum_vacuum_scale_factor'))::numeric AS scale,
               coalesce(max(r.option_value) FILTER (WHERE r.option_name = 'autovacuum_enabled'), 'true')::boolean
               AND current_setting('autovacuum')::boolean AS enabled
        FROM pg_options_to_table(c.reloptions) AS r
    ) AS o
    WHERE p.kind IN ('r', 'm')
    ORDER BY pg_stat_get_dead_tuples(p.part) / greatest(o.threshold + o.scale * greatest(c.reltuples, 0)::numeric, least_rows) DESC,
             p.part::text
    LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN NEXT emsn.judge(
        'dead_tuples', t.part::text, t.dead, 'rows', round(t.begins_at), false, '200%', '1000%',
        format('%s dead row%s; autovacuum %s; last vacuumed %s', t.dead, CASE WHEN t.dead <> 1 THEN 's' END,
               CASE WHEN t.enabled THEN format('begins at %s', round(t.begins_at)) ELSE 'is off' END,
               coalesce(t.vacuumed_at::text, 'never')),
        format('VACUUM (ANALYZE) %s; if that does not help, something holds it back: SELECT * FROM emsn.idle_transactions;%s',
               t.part, CASE WHEN NOT t.enabled THEN ' And turn autovacuum on.' END));
END
$$;
COMMENT ON FUNCTION emsn.check_dead_tuples() IS 'Dead rows of the table of detections, of the worst partition.';
