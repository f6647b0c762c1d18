-- Checks of what can be brought back when a card dies: the mirror and the backups of each station.

CREATE FUNCTION emsn.check_mirrors() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    m record;
    remedy text;
BEGIN
    FOR m IN
        SELECT s.station, s.received_at, s.destination, s.last_success, s.age_seconds, left(s.last_error, 300) AS last_error
        FROM emsn.station_mirrors() AS s
        ORDER BY s.station
    LOOP
        remedy := format('On %s: is the disk of %s mounted? journalctl -u emsn-mirror', m.station,
                         coalesce(m.destination, 'the mirror'));
        RETURN NEXT emsn.as_reported(
            CASE WHEN m.last_success IS NULL
                 THEN emsn.unjudged('mirror_age', m.station, 'unknown',
                                    format('%s: never%s', coalesce(m.destination, 'mirror'), '; ' || m.last_error), remedy)
                 ELSE emsn.judge('mirror_age', m.station, m.age_seconds, 'seconds', NULL, false, '1800', '7200',
                                 format('%s is of %s s ago%s', coalesce(m.destination, 'the mirror'), m.age_seconds,
                                        '; the last try failed: ' || m.last_error), remedy)
            END, m.station, m.received_at);
    END LOOP;
    RETURN QUERY
    SELECT e.check_name, e.subject, e.status, e.value, e.unit, e.warning_at, e.critical_at, e.message, e.remedy, e.measured_at
    FROM emsn.unreported('mirror_age', 'mirror') AS e;
END
$$;
COMMENT ON FUNCTION emsn.check_mirrors() IS 'How old the mirror of each station is.';

CREATE FUNCTION emsn.check_backups() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    b record;
    subject text;
    remedy text;
    doubt text;
    result emsn.health_row;
BEGIN
    FOR b IN
        SELECT s.station, s.received_at, s.kind, s.newest, s.age_seconds, s.entries, s.complete, s.verified, s.name,
               l.warning_at, l.critical_at
        FROM emsn.station_backups() AS s
        -- one that is missed is a warning, two are an alarm; in seconds
        LEFT JOIN (VALUES ('database', '7200', '21600'), ('hourly', '7200', '21600'),
                          ('daily', '129600', '259200'), ('centre', '129600', '259200'),
                          ('images', '777600', '1382400'), ('weekly', '777600', '1382400'))
            AS l (kind, warning_at, critical_at) ON l.kind = s.kind
        ORDER BY s.station, s.kind
    LOOP
        subject := b.station || ' ' || b.kind;
        remedy := format('On %s: is the disk of the backups mounted? journalctl -u "emsn-backup*"', b.station);
        IF b.newest IS NULL THEN
            RETURN NEXT emsn.as_reported(
                emsn.unjudged('backup_age', subject, 'unknown', format('no backup of the kind %s with a date', b.kind), remedy),
                b.station, b.received_at);
            CONTINUE;
        END IF;
        doubt := CASE WHEN NOT b.complete THEN 'is not complete' WHEN NOT b.verified THEN 'is not verified' END;
        result := emsn.judge('backup_age', subject, b.age_seconds, 'seconds', NULL, false, b.warning_at, b.critical_at,
                             format('%s of %s s ago%s%s', coalesce(b.name, 'the newest'), b.age_seconds,
                                    CASE WHEN b.verified IS NULL THEN ', without a receipt' END,
                                    ', which ' || doubt),
                             remedy);
        IF doubt IS NOT NULL AND result.status = 'ok' THEN
            result.status := 'warning';
            result.remedy := format('See why in its receipt on %s: %s.emsn.json', b.station, coalesce(b.name, 'NAME'));
        END IF;
        RETURN NEXT emsn.as_reported(result, b.station, b.received_at);
    END LOOP;
    RETURN QUERY
    SELECT e.check_name, e.subject, e.status, e.value, e.unit, e.warning_at, e.critical_at, e.message, e.remedy, e.measured_at
    FROM emsn.unreported('backup_age', 'backups') AS e;
END
$$;
COMMENT ON FUNCTION emsn.check_backups() IS 'How old the newest backup of each station and kind is, and whether it is complete and verified.';
