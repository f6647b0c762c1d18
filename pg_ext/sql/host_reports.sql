-- What the stations say of themselves: kept for 30 days, the newest of each is what counts.

CREATE TABLE emsn.host_reports (
    station text NOT NULL CHECK (station <> ''),
    received_at timestamptz NOT NULL,
    report jsonb NOT NULL,
    PRIMARY KEY (station, received_at)
);
COMMENT ON TABLE emsn.host_reports IS 'Host reports: disks, units, timers, mirror, backups and versions of each station, of the last 30 days.';
COMMENT ON COLUMN emsn.host_reports.received_at IS 'By the clock of this server.';
COMMENT ON COLUMN emsn.host_reports.report IS 'As the station sent it, and clock_offset_ms: how far its clock is behind that of this server, the way here included.';
SELECT pg_catalog.pg_extension_config_dump('emsn.host_reports', '');

-- SECURITY DEFINER: a publisher has no right on the table. Rows dated in the future, from a time when the clock of this
-- server was ahead, would hide every report until then.
CREATE FUNCTION emsn.store_host_report(station text, report jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    most_bytes CONSTANT integer := 256 * 1024;
    kept CONSTANT interval := '30 days';
    received CONSTANT timestamptz := clock_timestamp();
    reported timestamptz;
    wrong text;
    answer jsonb;
BEGIN
    PERFORM emsn.require_publisher(store_host_report.station);
    PERFORM emsn.require_primary('store_host_report');
    IF octet_length(store_host_report.report::text) > most_bytes THEN
        RAISE EXCEPTION USING
            ERRCODE = 'program_limit_exceeded',
            MESSAGE = format('store_host_report: the report has %s bytes, %s are taken',
                             octet_length(store_host_report.report::text), most_bytes);
    END IF;
    SELECT string_agg(format('"%s" is %s', k.key, coalesce(jsonb_typeof(store_host_report.report -> k.key), 'missing')), ', ')
    INTO wrong
    FROM (VALUES ('filesystems', 'array'), ('units', 'array'), ('timers', 'array'), ('backups', 'array'),
                 ('mirror', 'object'), ('database', 'object')) AS k (key, kind)
    WHERE jsonb_typeof(store_host_report.report -> k.key) NOT IN (k.kind, 'null');
    reported := emsn.json_time(store_host_report.report -> 'reported_at');
    IF jsonb_typeof(store_host_report.report) IS DISTINCT FROM 'object' THEN
        wrong := 'it is no object';
    ELSIF reported IS NULL THEN
        wrong := concat_ws(', ', wrong, '"reported_at" is no time such as 2025-12-30T02:00:00Z');
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('store_host_report: this is no host report: %s', wrong);
    END IF;
    answer := jsonb_build_object('clock_offset_ms', round(extract(epoch FROM received - reported) * 1000));
    DELETE FROM emsn.host_reports AS h
    WHERE h.station = store_host_report.station AND (h.received_at < received - kept OR h.received_at > received);
    INSERT INTO emsn.host_reports AS h (station, received_at, report)
    VALUES (store_host_report.station, received, store_host_report.report || answer)
    ON CONFLICT (station, received_at) DO UPDATE SET report = excluded.report;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION emsn.store_host_report(text, jsonb) IS 'For publishers: keeps the report of a station, 256 kB at most, and forgets those older than 30 days. Returns clock_offset_ms.';

-- By jumps through the key: a month of reports of each station is not read.
CREATE FUNCTION emsn.newest_host_reports()
RETURNS TABLE (station text, received_at timestamptz, reported_at timestamptz, report jsonb)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE jump (station) AS (
        (SELECT h.station FROM emsn.host_reports AS h ORDER BY h.station LIMIT 1)
        UNION ALL
        SELECT (SELECT h.station FROM emsn.host_reports AS h WHERE h.station > j.station ORDER BY h.station LIMIT 1)
        FROM jump AS j
        WHERE j.station IS NOT NULL
    )
    SELECT j.station,
           n.received_at,
           coalesce(emsn.json_time(n.report -> 'reported_at'), n.received_at),
           n.report
    FROM jump AS j
    CROSS JOIN LATERAL (
        SELECT h.received_at, h.report
        FROM emsn.host_reports AS h
        WHERE h.station = j.station
        ORDER BY h.received_at DESC
        LIMIT 1
    ) AS n
    WHERE j.station IS NOT NULL;
END
$$;
COMMENT ON FUNCTION emsn.newest_host_reports() IS 'The newest host report of each station.';

-- Until the report by the station's clock, since then by the server's: a clock that is wrong makes no age wrong.
CREATE FUNCTION emsn.reported_age(received_at timestamptz, reported_at timestamptz, moment timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN floor(greatest(extract(epoch FROM reported_at - moment)
                          + greatest(extract(epoch FROM statement_timestamp() - received_at), 0), 0));
END
$$;
COMMENT ON FUNCTION emsn.reported_age(timestamptz, timestamptz, timestamptz) IS 'Seconds since a moment that a station told in a report; NULL: it told none.';
