-- Checks of what the stations send. No rows before a station has published.

CREATE FUNCTION emsn.check_sync_lag() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    s record;
    result emsn.health_row;
BEGIN
    FOR s IN
        SELECT t.station,
               greatest(floor(extract(epoch FROM statement_timestamp() - t.published_at)), 0)::bigint AS lag_seconds,
               t.published_at,
               coalesce(r.expected, true) AS expected
        FROM emsn.sync_state AS t
        LEFT JOIN emsn.station_settings AS r ON r.station = t.station
        ORDER BY t.station
    LOOP
        result := emsn.judge(
            'sync_lag', s.station, s.lag_seconds, 'seconds', NULL, false, '3600', '86400',
            format('last published %s s ago, at %s%s', s.lag_seconds, s.published_at,
                   CASE WHEN NOT s.expected THEN '; not expected' END),
            'Look at the station: power, network, and what emsn-publish says there; it catches up by itself.');
        IF NOT s.expected THEN
            result.status := 'ok';
            result.remedy := NULL;
        END IF;
        RETURN NEXT result;
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.check_sync_lag() IS 'How long ago each station published, or looked and had nothing new.';

-- Older ones are known: they are in the table for as long as the source has them.
CREATE FUNCTION emsn.check_rejected_detections() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    s record;
BEGIN
    FOR s IN
        SELECT r.station,
               count(*) AS rejected,
               (array_agg(r.reason ORDER BY r.rejected_at DESC))[1] AS newest_reason
        FROM emsn.rejected_detections AS r
        WHERE r.rejected_at > statement_timestamp() - interval '7 days'
        GROUP BY r.station
        ORDER BY r.station
    LOOP
        RETURN NEXT emsn.judge(
            'rejected_detections', s.station, s.rejected, 'detections', NULL, false, '1', NULL,
            format('%s detection%s not stored in the last 7 days; the newest: %s', s.rejected,
                   CASE WHEN s.rejected <> 1 THEN 's' END, s.newest_reason),
            format('SELECT * FROM emsn.rejected_detections WHERE station = %L; then correct them at the station, or the table of '
                   'detections and publish once with "full": true.', s.station));
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.check_rejected_detections() IS 'How many detections of each station were rejected in the last 7 days.';
