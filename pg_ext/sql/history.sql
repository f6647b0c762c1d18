-- What the watcher in the server (pg_ext/watcher.cpp) writes down, one row a sample, so that the night before can be
-- asked about. Dump and restore keep it.

CREATE TABLE emsn.connection_history (
    sampled_at timestamptz PRIMARY KEY,
    used integer NOT NULL,
    max_connections integer NOT NULL,
    reserved integer NOT NULL,
    available integer NOT NULL,
    active integer NOT NULL,
    idle integer NOT NULL,
    idle_in_transaction integer NOT NULL,
    clients jsonb NOT NULL,
    oldest_pid integer,
    oldest_user_name text,
    oldest_application_name text,
    oldest_client_addr inet,
    oldest_database_name text,
    oldest_transaction_seconds bigint,
    oldest_idle_seconds bigint,
    oldest_query_start timestamptz,
    oldest_query text,
    detections jsonb,
    detections_error text,
    database_bytes bigint
);
COMMENT ON TABLE emsn.connection_history IS 'Samples of the watcher: connections by state and client, the oldest transaction in which a session sits idle, detections of each station.';
COMMENT ON COLUMN emsn.connection_history.clients IS 'Who held the connections, the most first, 20 at most; rows in emsn.client_history.';
COMMENT ON COLUMN emsn.connection_history.oldest_pid IS 'This and all oldest_ columns are NULL when no session sat idle in a transaction.';
COMMENT ON COLUMN emsn.connection_history.oldest_query IS 'Its first 200 characters.';
COMMENT ON COLUMN emsn.connection_history.detections IS 'Today so far at each station; NULL: not counted in this sample; rows in emsn.detection_history.';
COMMENT ON COLUMN emsn.connection_history.detections_error IS 'Why counting failed in this sample.';
COMMENT ON COLUMN emsn.connection_history.database_bytes IS 'Size of this database; NULL: not measured in this sample.';
SELECT pg_catalog.pg_extension_config_dump('emsn.connection_history', '');

CREATE VIEW emsn.client_history AS
SELECT h.sampled_at,
       c.user_name,
       c.application_name,
       c.client_addr,
       c.database_name,
       c.used,
       c.active,
       c.idle,
       c.idle_in_transaction
FROM emsn.connection_history AS h
CROSS JOIN LATERAL pg_catalog.jsonb_to_recordset(h.clients)
    AS c (user_name text, application_name text, client_addr inet, database_name text,
          used bigint, active bigint, idle bigint, idle_in_transaction bigint);
COMMENT ON VIEW emsn.client_history IS 'Who held the connections in each sample of the watcher.';

CREATE VIEW emsn.detection_history AS
SELECT h.sampled_at,
       d.station,
       d.detections,
       d.last_detection
FROM emsn.connection_history AS h
CROSS JOIN LATERAL pg_catalog.jsonb_to_recordset(h.detections)
    AS d (station text, detections bigint, last_detection timestamptz);
COMMENT ON VIEW emsn.detection_history IS 'Detections of each station on its own calendar day so far, in each sample in which the watcher counted them.';

-- What the watcher runs as the owner of the table of detections, who has no right on anything here: so it is all in the
-- query, and the registry comes as $1 (stations) and $2 (their time zones). No row: no table is named, or its rows lie on
-- other servers, whose own watchers count them.
CREATE FUNCTION emsn.detection_count_plan()
RETURNS TABLE (relation oid, query text, stations text[], time_zones text[])
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- bounds the row, whatever a view makes up
    most_stations CONSTANT integer := 1000;
    named text := (SELECT s.value FROM emsn.settings AS s WHERE s.name = 'detections');
BEGIN
    IF named IS NULL OR emsn.is_remote() THEN
        RETURN;
    END IF;
    query := emsn.detections_sql(format('
        WITH k AS (
            SELECT n.station,
                   z.time_zone,
                   statement_timestamp() AT TIME ZONE z.time_zone AS clock,
                   (statement_timestamp() AT TIME ZONE z.time_zone)::date AS today
            FROM (SELECT h.station FROM (%s) AS h (station) UNION SELECT unnest($1)) AS n (station)
            LEFT JOIN unnest($1, $2) AS s (station, time_zone) ON s.station = n.station
            CROSS JOIN LATERAL (SELECT coalesce(s.time_zone, current_setting(''TimeZone''))) AS z (time_zone)
            ORDER BY n.station
            LIMIT %s
        )
        SELECT coalesce(jsonb_agg(jsonb_build_object(''station'', left(k.station, 200), ''detections'', c.detections,
                                                     ''last_detection'', l.last_detection)
                                  ORDER BY k.station), ''[]'')::text
        FROM k
        CROSS JOIN LATERAL (
            SELECT count(*) AS detections
            FROM {detections} AS d
            WHERE d.station = k.station AND {live}
              AND d.detection_timestamp >= (k.today::timestamp {zone})
              AND d.detection_timestamp < ((k.today + 1)::timestamp {zone})
        ) AS c
        LEFT JOIN LATERAL (
            SELECT d.detection_timestamp {instant} AS last_detection
            FROM {detections} AS d
            WHERE d.station = k.station AND {live}
              AND d.detection_timestamp <= {now}
              AND d.detection_timestamp > ''-infinity''
            ORDER BY d.detection_timestamp DESC
            LIMIT 1
        ) AS l ON true', emsn.station_names_sql(true), most_stations));
    SELECT to_regclass(named),
           coalesce(array_agg(r.station ORDER BY r.station), '{}'),
           coalesce(array_agg(r.time_zone ORDER BY r.station), '{}')
    INTO relation, stations, time_zones
    FROM emsn.station_settings AS r;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION emsn.detection_count_plan() IS 'For the watcher: how to count the detections of each station today.';

CREATE FUNCTION emsn.record_sample(detections jsonb, detections_error text, measure_size boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO emsn.connection_history (
        sampled_at, used, max_connections, reserved, available, active, idle, idle_in_transaction, clients,
        oldest_pid, oldest_user_name, oldest_application_name, oldest_client_addr, oldest_database_name,
        oldest_transaction_seconds, oldest_idle_seconds, oldest_query_start, oldest_query,
        detections, detections_error, database_bytes)
    SELECT clock_timestamp(),
           n.used,
           n.max_connections,
           n.reserved,
           n.available,
           n.active,
           n.idle,
           n.idle_in_transaction,
           coalesce(c.clients, '[]'),
           o.pid,
           o.usename,
           o.application_name,
           o.client_addr,
           o.datname,
           o.transaction_seconds,
           o.idle_seconds,
           o.query_start,
           left(o.query, 200),
           record_sample.detections,
           record_sample.detections_error,
           CASE WHEN measure_size THEN pg_database_size(current_database()) END
    FROM emsn.connections AS n
    CROSS JOIN (
        SELECT jsonb_agg(jsonb_strip_nulls(to_jsonb(t)) ORDER BY t.used DESC, t.user_name, t.application_name) AS clients
        FROM (SELECT r.user_name, r.application_name, r.client_addr, r.database_name, r.used, r.active, r.idle,
                     r.idle_in_transaction
              FROM emsn.connection_client_rows() AS r
              ORDER BY r.used DESC, r.user_name, r.application_name
              LIMIT 20) AS t
    ) AS c
    LEFT JOIN LATERAL (
        SELECT a.pid, a.usename, a.application_name, a.client_addr, a.datname, a.query_start, a.query,
               greatest(extract(epoch FROM clock_timestamp() - b.began), 0)::bigint AS transaction_seconds,
               greatest(extract(epoch FROM clock_timestamp() - a.state_change), 0)::bigint AS idle_seconds
        FROM pg_stat_activity AS a
        -- an aborted transaction has no xact_start any more
        CROSS JOIN LATERAL (SELECT coalesce(a.xact_start, a.state_change)) AS b (began)
        WHERE a.backend_type = 'client backend' AND a.state LIKE 'idle in transaction%'
        ORDER BY b.began, a.pid
        LIMIT 1
    ) AS o ON true;
END
$$;
COMMENT ON FUNCTION emsn.record_sample(jsonb, text, boolean) IS 'For the watcher: writes one row of emsn.connection_history.';

-- In small batches: each sample adds one row and may take many away, so a shortened retention is caught up with soon.
CREATE FUNCTION emsn.forget_history(retention_seconds integer) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    batch CONSTANT integer := 500;
    retention CONSTANT interval := make_interval(secs => retention_seconds);
BEGIN
    DELETE FROM emsn.connection_history AS h
    WHERE h.sampled_at IN (SELECT o.sampled_at
                           FROM emsn.connection_history AS o
                           WHERE o.sampled_at < statement_timestamp() - retention
                           ORDER BY o.sampled_at
                           LIMIT batch);
    -- few rows, and what somebody asks for long after
    DELETE FROM emsn.guard_log AS g
    WHERE (g.decided_at, g.pid) IN (SELECT o.decided_at, o.pid
                                    FROM emsn.guard_log AS o
                                    WHERE o.decided_at < statement_timestamp() - greatest(retention, interval '1 year')
                                    ORDER BY o.decided_at
                                    LIMIT batch);
END
$$;
COMMENT ON FUNCTION emsn.forget_history(integer) IS 'For the watcher: deletes some of the samples that are older than the retention, and acts of the guard older than a year.';
