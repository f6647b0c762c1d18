-- What the user set; defaults live in functions. All of it is kept by dump and restore.

-- Name/value pairs. 'detections': the qualified name of the table of detections, as text, so that neither depends on
-- the other and the table can be dropped, altered and restored.
CREATE TABLE emsn.settings (
    name text PRIMARY KEY,
    value text NOT NULL
);
COMMENT ON TABLE emsn.settings IS 'What the user set: name "detections" holds the qualified name of the table of detections (see emsn.use_detections).';
SELECT pg_catalog.pg_extension_config_dump('emsn.settings', '');

-- PARALLEL UNSAFE: an exception block is a subtransaction
CREATE FUNCTION emsn.is_time_zone(time_zone text) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM timezone(is_time_zone.time_zone, timestamptz 'epoch');
    RETURN true;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN false;
END
$$;
COMMENT ON FUNCTION emsn.is_time_zone(text) IS 'Whether PostgreSQL knows a time zone by this name.';

CREATE TABLE emsn.station_settings (
    station text PRIMARY KEY CHECK (station <> ''),
    time_zone text CHECK (emsn.is_time_zone(time_zone)),
    expected boolean NOT NULL DEFAULT true,
    note text
);
COMMENT ON TABLE emsn.station_settings IS 'Registry of stations; one in it is known before its first detection.';
COMMENT ON COLUMN emsn.station_settings.time_zone IS 'Its calendar day and clock, such as Europe/Amsterdam; NULL: the TimeZone of the session.';
COMMENT ON COLUMN emsn.station_settings.expected IS 'false: its silence is no problem (winter, retired).';
SELECT pg_catalog.pg_extension_config_dump('emsn.station_settings', '');
