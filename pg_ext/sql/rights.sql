-- Who may do what, in one place. PUBLIC: nothing. Naming tables and writing settings: the owner only.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA emsn FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA emsn FROM PUBLIC;
REVOKE ALL ON TYPE emsn.health_row, emsn.publish_target, emsn.publish_counts, emsn.anomaly FROM PUBLIC;
REVOKE ALL ON ALL PROCEDURES IN SCHEMA emsn FROM PUBLIC;

GRANT USAGE ON SCHEMA emsn TO pg_monitor, pg_read_server_files, pg_signal_backend;

-- views run functions as the caller, so a reader needs what they stand on too
GRANT SELECT ON
    emsn.settings,
    emsn.station_settings,
    emsn.thresholds,
    emsn.connections,
    emsn.connection_clients,
    emsn.idle_transactions,
    emsn.detections_today,
    emsn.stations,
    emsn.health,
    emsn.connection_history,
    emsn.client_history,
    emsn.detection_history,
    emsn.guard_log,
    emsn.host_reports,
    emsn.disk_usage,
    emsn.services,
    emsn.mirrors,
    emsn.backups,
    emsn.sync_state,
    emsn.sync_days,
    emsn.rejected_detections,
    emsn.publishers,
    emsn.runs,
    emsn.baselines,
    emsn.anomalies
TO pg_monitor;
GRANT USAGE ON TYPE emsn.health_row TO pg_monitor;
GRANT EXECUTE ON FUNCTION
    emsn.limits(text, text, text, text),
    emsn.is_at_or_above(numeric, text, numeric),
    emsn.is_at_or_below(numeric, text, numeric),
    emsn.sees_sessions(),
    emsn.require_sessions_visible(),
    emsn.connection_client_rows(),
    emsn.idle_transaction_rows(),
    emsn.filesystems(),
    emsn.detections_sql(text),
    emsn.detections_parts(),
    emsn.finds_stations(),
    emsn.missing_indexes(),
    emsn.require_readable_detections(),
    emsn.station_names_sql(),
    emsn.known_stations(),
    emsn.heard_stations(),
    emsn.today_rows(),
    emsn.station_rows(),
    emsn.future_rows(),
    emsn.habit_rows(integer),
    emsn.silent_hours(timestamptz),
    emsn.detections_per_station(date, date),
    emsn.judge(text, text, numeric, text, numeric, boolean, text, text, text, text),
    emsn.unjudged(text, text, text, text, text),
    emsn.health_rows(),
    emsn.check_connections(),
    emsn.check_idle_in_transaction(),
    emsn.check_blocked_sessions(),
    emsn.check_long_transactions(),
    emsn.check_wraparound(),
    emsn.check_replication_lag(),
    emsn.check_replication_slots(),
    emsn.check_wal_archiving(),
    emsn.check_database_size(),
    emsn.check_detections_index(),
    emsn.check_dead_tuples(),
    emsn.check_disk_usage(),
    emsn.check_stations(),
    emsn.check_database_growth(),
    emsn.json_rows(jsonb),
    emsn.json_text(jsonb),
    emsn.json_boolean(jsonb),
    emsn.json_number(jsonb, numeric, numeric),
    emsn.json_count(jsonb),
    emsn.json_time(jsonb),
    emsn.newest_host_reports(),
    emsn.reported_age(timestamptz, timestamptz, timestamptz),
    emsn.is_filled_by_users(text),
    emsn.station_disks(),
    emsn.station_units(),
    emsn.station_timers(),
    emsn.station_mirrors(),
    emsn.station_backups(),
    emsn.as_reported(emsn.health_row, text, timestamptz),
    emsn.unreported(text, text),
    emsn.check_host_reports(),
    emsn.check_emsn_versions(),
    emsn.check_station_disks(),
    emsn.check_failed_units(),
    emsn.check_overdue_timers(),
    emsn.check_mirrors(),
    emsn.check_backups(),
    emsn.check_sync_lag(),
    emsn.check_rejected_detections(),
    emsn.check_open_anomalies(),
    emsn.check_baselines(),
    emsn.check_jobs(),
    emsn.last_runs(),
    emsn.suffixed(text, text),
    emsn.change_log(oid),
    emsn.change_tracking(oid),
    emsn.habits_sql(text, integer),
    emsn.health_at(timestamptz)
TO pg_monitor;

-- it asks for pg_monitor too, in words, and stands on what that role may call
GRANT EXECUTE ON FUNCTION
    emsn.terminate_idle_transactions(interval, boolean),
    emsn.sees_sessions(),
    emsn.require_sessions_visible()
TO pg_signal_backend;

GRANT EXECUTE ON FUNCTION
    emsn.dir_size_safe(text, jsonb),
    emsn.dir_usage(text, integer, jsonb)
TO pg_read_server_files;
