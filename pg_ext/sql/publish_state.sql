-- What a publisher asks before it sends anything, and what is remembered of it afterwards.

CREATE FUNCTION emsn.publish_state(station text) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM emsn.require_publisher(station);
    RETURN (SELECT jsonb_build_object(
                       'position', s.position,
                       'rows', s.source_rows,
                       'live_rows', s.live_rows,
                       'time_zone', s.time_zone,
                       'compared_at', to_char(s.compared_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                       'seconds_since_compared', floor(extract(epoch FROM statement_timestamp() - s.compared_at)),
                       'seconds_since_published', floor(extract(epoch FROM statement_timestamp() - s.published_at)))
            FROM emsn.sync_state AS s
            WHERE s.station = publish_state.station);
END
$$;
COMMENT ON FUNCTION emsn.publish_state(text) IS 'How far a station has published; NULL: never.';

CREATE FUNCTION emsn.publish_days(station text) RETURNS TABLE (day date, rows bigint, digest numeric)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM emsn.require_publisher(station);
    RETURN QUERY
    SELECT d.day, d.rows, d.digest
    FROM emsn.sync_days AS d
    WHERE d.station = publish_days.station
    ORDER BY d.day;
END
$$;
COMMENT ON FUNCTION emsn.publish_days(text) IS 'Rows and digest of each day of the source, as last published.';

CREATE FUNCTION emsn.count_live_rows(station text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET enable_partitionwise_aggregate = on
AS $$
DECLARE
    t CONSTANT emsn.publish_target := emsn.describe_publish_target(station, 'UTC');
BEGIN
    RETURN emsn.execute_as_owner(t.relation, 'pg_catalog, pg_temp', format(
        -- grouped, it is counted on the server where they lie
        'SELECT coalesce((SELECT count(*) FROM %s AS n WHERE n.station = %s AND %s GROUP BY n.station), 0)', t.name, t.station,
        t.live));
END
$$;
COMMENT ON FUNCTION emsn.count_live_rows(text) IS 'Rows of a station in the table of detections, without deleted ones.';

CREATE FUNCTION emsn.publish_live_rows(station text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    PERFORM emsn.require_publisher(station);
    RETURN emsn.count_live_rows(station);
END
$$;
COMMENT ON FUNCTION emsn.publish_live_rows(text) IS 'Rows of a station at the centre, without deleted ones, counted now.';

-- So that a quiet night does not look like a publisher that is down. One call a minute is enough to be written.
CREATE FUNCTION emsn.publish_unchanged(station text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM emsn.require_publisher(station);
    PERFORM emsn.require_primary('publish_unchanged');
    UPDATE emsn.sync_state AS s
    SET published_at = clock_timestamp()
    WHERE s.station = publish_unchanged.station
      AND s.published_at < clock_timestamp() - interval '1 minute';
END
$$;
COMMENT ON FUNCTION emsn.publish_unchanged(text) IS 'Says that a station looked and had nothing new.';

-- The days as the publisher sent them: [{"day": "2026-01-02" or null, "rows": n, "digest": "d"}].
CREATE FUNCTION emsn.store_publish_days(station text, scope text, days jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    digests CONSTANT numeric := 18446744073709551616;
BEGIN
    IF scope = 'all' THEN
        DELETE FROM emsn.sync_days AS d
        WHERE d.station = store_publish_days.station;
    ELSIF scope = 'days' THEN
        DELETE FROM emsn.sync_days AS d
        USING jsonb_to_recordset(days) AS n (day date)
        WHERE d.station = store_publish_days.station AND d.day IS NOT DISTINCT FROM n.day;
    END IF;
    INSERT INTO emsn.sync_days AS d (station, day, rows, digest)
    SELECT store_publish_days.station, n.day, n.rows, n.digest
    FROM jsonb_to_recordset(days) AS n (day date, rows bigint, digest numeric)
    WHERE n.rows <> 0 -- the day is gone
    ON CONFLICT ON CONSTRAINT sync_days_station_day_key DO UPDATE
    SET rows = d.rows + excluded.rows,
        digest = (d.digest + excluded.digest) % digests;
END
$$;
COMMENT ON FUNCTION emsn.store_publish_days(text, text, jsonb) IS 'Days of a source: added to what is stored (moments), or in its place (days, all).';

CREATE FUNCTION emsn.store_publish_state(station text, time_zone text, source_rows bigint, live_rows bigint, "position" jsonb,
                                         compared boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO emsn.sync_state AS s (station, position, source_rows, live_rows, time_zone, published_at, compared_at)
    VALUES ($1, $5, $3, $4, $2, clock_timestamp(), CASE WHEN $6 THEN clock_timestamp() END)
    ON CONFLICT (station) DO UPDATE
    SET position = excluded.position,
        source_rows = excluded.source_rows,
        live_rows = excluded.live_rows,
        time_zone = excluded.time_zone,
        published_at = excluded.published_at,
        compared_at = coalesce(excluded.compared_at, s.compared_at);
END
$$;
COMMENT ON FUNCTION emsn.store_publish_state(text, text, bigint, bigint, jsonb, boolean) IS 'Writes how far a station has published.';
