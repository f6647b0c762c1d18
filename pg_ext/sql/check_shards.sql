-- Checks of the servers that hold the detections of some stations. One that is down is one row, and the others answer.

-- Their own server judges them, better than can be done over the network.
CREATE FUNCTION emsn.stations_judged_elsewhere() RETURNS text[]
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT emsn.is_remote() THEN
        RETURN '{}';
    END IF;
    RETURN ARRAY(SELECT u.station
                 FROM emsn.remote_servers() AS s
                 JOIN emsn.remote_health_tables() AS t ON t.server = s.server
                 CROSS JOIN unnest(s.stations) AS u (station)
                 WHERE s.reason IS NULL);
END
$$;
COMMENT ON FUNCTION emsn.stations_judged_elsewhere() IS 'Stations whose server has an emsn of its own that this one can ask.';

-- Of a server with an emsn of its own also what its health says: of its stations everything, of itself what is not ok.
CREATE FUNCTION emsn.check_shards() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    s record;
    reason text;
    result emsn.health_row;
BEGIN
    IF NOT emsn.is_remote() THEN
        RETURN;
    END IF;
    FOR s IN
        SELECT r.server, r.stations, r.reason, r.milliseconds, t.health
        FROM emsn.remote_servers() AS r
        LEFT JOIN emsn.remote_health_tables() AS t ON t.server = r.server
    LOOP
        IF s.reason IS NULL THEN
            RETURN NEXT emsn.judge(
                'shards', s.server, s.milliseconds, 'ms', NULL, false, '1000', NULL,
                format('answers; it holds %s station%s', cardinality(s.stations),
                       CASE WHEN cardinality(s.stations) <> 1 THEN 's' END),
                'Look at that server: SELECT * FROM emsn.health; and at the network between.');
        ELSE
            RETURN NEXT emsn.unjudged(
                'shards', s.server, 'critical',
                format('%s; nothing is known of its %s station%s', s.reason, cardinality(s.stations),
                       CASE WHEN cardinality(s.stations) <> 1 THEN 's' END),
                'Start that server, or mend the network or the user mapping. What its stations hear waits there and is not lost.');
        END IF;
        CONTINUE WHEN s.reason IS NOT NULL OR s.health IS NULL;
        BEGIN
            FOR result IN EXECUTE format(
                'SELECT h.check_name, h.subject, h.status, h.value, h.unit, h.warning_at, h.critical_at, h.message, h.remedy,
                        h.measured_at
                 FROM %s AS h', s.health)
            LOOP
                IF result.subject = ANY (s.stations) THEN
                    RETURN NEXT result;
                ELSIF result.status <> 'ok' THEN
                    result.subject := s.server || ': ' || result.subject;
                    RETURN NEXT result;
                END IF;
            END LOOP;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS reason = PG_EXCEPTION_DETAIL;
            RETURN NEXT emsn.unjudged('shards', s.server || ': health', 'unknown', concat_ws(': ', SQLERRM, nullif(reason, '')),
                                      'Ask that server itself: SELECT * FROM emsn.health;');
        END;
    END LOOP;
END
$$;
COMMENT ON FUNCTION emsn.check_shards() IS 'Whether the servers with partitions of the table of detections answer, and what their own emsn.health says.';
