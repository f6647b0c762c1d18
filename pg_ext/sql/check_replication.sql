-- Checks of what leaves the server as WAL: to standbys, for slots, into the archive; and of a standby itself.

-- On a primary: how far each receiver is behind, receivers of one name together. On a standby: how old the last change
-- is that it replayed, while there is more to replay; and whether it receives at all.
CREATE FUNCTION emsn.check_replication_lag() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 2
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    s record;
    found_any boolean := false;
    in_recovery CONSTANT boolean := pg_is_in_recovery();
    here CONSTANT pg_lsn := CASE WHEN in_recovery THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END;
    received CONSTANT pg_lsn := CASE WHEN in_recovery THEN pg_last_wal_receive_lsn() END;
    behind_seconds numeric := 0;
    look CONSTANT text := 'Look at the log of this standby and at its connection to the primary; a long query here may hold replay back: SELECT * FROM pg_stat_activity;';
    result emsn.health_row;
BEGIN
    PERFORM emsn.require_sessions_visible();
    IF in_recovery THEN
        found_any := true;
        IF received IS DISTINCT FROM here THEN
            behind_seconds := round(greatest(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0), 1);
        END IF;
        result := emsn.judge(
            'standby_lag', 'server', coalesce(behind_seconds, 0), 'seconds', NULL, false, '300', '3600',
            CASE WHEN behind_seconds > 0 THEN format('the last change replayed is %s s old', behind_seconds)
                 ELSE 'everything received is replayed' END,
            look);
        -- one that is cut off has replayed everything too; one that is fed from an archive has no primary to reach
        IF current_setting('primary_conninfo') <> '' AND NOT EXISTS (SELECT FROM pg_stat_wal_receiver) THEN
            result.status := CASE result.status WHEN 'ok' THEN 'warning' ELSE result.status END;
            result.message := result.message || '; not connected to its primary';
            result.remedy := look;
        END IF;
        RETURN NEXT result;
    END IF;
    FOR s IN
        SELECT r.application_name AS name,
               count(*) AS receivers,
               max(pg_wal_lsn_diff(here, coalesce(r.replay_lsn, r.flush_lsn, r.write_lsn, r.sent_lsn))) AS bytes,
               max(r.replay_lag) AS lag,
               string_agg(DISTINCT r.state, ', ') AS states
        FROM pg_stat_replication AS r
        WHERE r.state <> 'backup'
        GROUP BY r.application_name
    LOOP
        found_any := true;
        RETURN NEXT emsn.judge(
            'replication_lag', s.name, greatest(s.bytes, 0), 'bytes', NULL, false, '104857600', '1073741824',
            format('%s %s (%s)%s', pg_size_pretty(greatest(s.bytes, 0)), 'behind', s.states,
                   ', ' || round(extract(epoch FROM s.lag), 1) || ' s'),
            'Look at the log of the receiver, at its disk and at the network between.');
    END LOOP;
    IF NOT found_any THEN
        RETURN NEXT emsn.unjudged('replication_lag', 'server', 'ok', 'nobody receives WAL from this server', NULL);
    END IF;
END
$$;
COMMENT ON FUNCTION emsn.check_replication_lag() IS 'How far receivers of WAL are behind, and how far this standby is.';

-- A slot that nobody reads keeps WAL until the disk is full.
CREATE FUNCTION emsn.check_replication_slots() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 2
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    s record;
    found_any boolean := false;
    here CONSTANT pg_lsn := CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END;
    -- -1: no limit
    most CONSTANT bigint := pg_size_bytes(nullif(current_setting('max_slot_wal_keep_size'), '-1'));
    result emsn.health_row;
    remedy text;
BEGIN
    FOR s IN
        SELECT r.slot_name, r.slot_type, r.active, r.wal_status,
               greatest(pg_wal_lsn_diff(here, r.restart_lsn), 0) AS bytes
        FROM pg_replication_slots AS r
        WHERE NOT r.temporary
    LOOP
        found_any := true;
        remedy := format('Start what reads it, or, if nobody does any more: SELECT pg_drop_replication_slot(%L);', s.slot_name);
        result := emsn.judge(
            'replication_slots', s.slot_name, coalesce(s.bytes, 0), 'bytes', most, false, '1073741824', '10737418240',
            format('%s slot %s keeps %s of WAL, %s', s.slot_type, s.slot_name, pg_size_pretty(coalesce(s.bytes, 0)),
                   CASE WHEN s.active THEN 'in use' ELSE 'not in use' END),
            remedy);
        IF s.wal_status IN ('unreserved', 'lost') THEN
            result.status := CASE WHEN s.wal_status = 'lost' OR result.status = 'critical' THEN 'critical' ELSE 'warning' END;
            result.message := result.message || CASE s.wal_status WHEN 'lost' THEN '; WAL that it needs is gone'
                                                                  ELSE '; WAL that it needs may go at any moment' END;
            result.remedy := remedy;
        END IF;
        RETURN NEXT result;
    END LOOP;
    IF NOT found_any THEN
        RETURN NEXT emsn.unjudged('replication_slots', 'server', 'ok', 'there are no replication slots', NULL);
    END IF;
END
$$;
COMMENT ON FUNCTION emsn.check_replication_slots() IS 'How much WAL each replication slot keeps.';

-- What waits tells more than pg_stat_archiver: a command that hangs has not failed yet.
CREATE FUNCTION emsn.check_wal_archiving() RETURNS SETOF emsn.health_row
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    waiting record;
    archiver record;
    seconds bigint;
BEGIN
    IF current_setting('archive_mode') = 'off' THEN
        RETURN NEXT emsn.unjudged('wal_archiving', 'server', 'ok', 'WAL is not archived (archive_mode is off)', NULL);
        RETURN;
    END IF;
    SELECT count(*) AS files, min(f.modification) AS since
    INTO waiting
    FROM pg_ls_archive_statusdir() AS f
    WHERE f.name LIKE '%.ready';
    SELECT a.last_archived_time, a.last_failed_wal, a.last_failed_time
    INTO archiver
    FROM pg_stat_archiver AS a;
    seconds := greatest(extract(epoch FROM clock_timestamp() - waiting.since), 0);
    RETURN NEXT emsn.judge(
        'wal_archiving', 'server', coalesce(seconds, 0), 'seconds', NULL, false, '300', '3600',
        CASE WHEN waiting.files = 0 THEN 'no WAL file waits to be archived'
             ELSE format('%s WAL file%s to be archived, the first for %s s', waiting.files,
                         CASE WHEN waiting.files = 1 THEN ' waits' ELSE 's wait' END, seconds) END
        || CASE WHEN archiver.last_failed_time > coalesce(archiver.last_archived_time, '-infinity')
                THEN format('; %s failed at %s', archiver.last_failed_wal, archiver.last_failed_time) ELSE '' END,
        'Look into the server log for what archive_command (or archive_library) says, and at the disk of the archive.');
END
$$;
COMMENT ON FUNCTION emsn.check_wal_archiving() IS 'How long the oldest WAL file has waited to be archived.';
