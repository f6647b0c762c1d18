-- What publishing remembers of each station (its position commits with the rows), what it could not store, and who may
-- publish what. Dump and restore keep all of it: after a restore a station goes on from where that dump was.

CREATE TABLE emsn.sync_state (
    station text PRIMARY KEY CHECK (station <> ''),
    position jsonb NOT NULL,
    source_rows bigint NOT NULL CHECK (source_rows >= 0),
    live_rows bigint NOT NULL CHECK (live_rows >= 0),
    time_zone text NOT NULL,
    published_at timestamptz NOT NULL,
    compared_at timestamptz
);
COMMENT ON TABLE emsn.sync_state IS 'How far each station has published.';
COMMENT ON COLUMN emsn.sync_state.position IS 'Of the publisher in its source; nobody else reads it.';
COMMENT ON COLUMN emsn.sync_state.source_rows IS 'Rows of the source when it last published.';
COMMENT ON COLUMN emsn.sync_state.live_rows IS 'Rows of the station in the table of detections after that, without deleted ones.';
COMMENT ON COLUMN emsn.sync_state.published_at IS 'When it last published, or last said that nothing was new.';
COMMENT ON COLUMN emsn.sync_state.compared_at IS 'When the whole source was last compared; NULL: never.';
SELECT pg_catalog.pg_extension_config_dump('emsn.sync_state', '');

CREATE TABLE emsn.sync_days (
    station text NOT NULL,
    day date,
    rows bigint NOT NULL CHECK (rows > 0),
    digest numeric(20, 0) NOT NULL CHECK (digest >= 0 AND digest < 18446744073709551616),
    UNIQUE NULLS NOT DISTINCT (station, day)
);
COMMENT ON TABLE emsn.sync_days IS 'Rows and digest of each calendar day of each source, as last published.';
COMMENT ON COLUMN emsn.sync_days.day IS 'NULL: the rows whose date could not be read.';
COMMENT ON COLUMN emsn.sync_days.digest IS 'Sum of the digests of its rows, modulo 2^64.';
SELECT pg_catalog.pg_extension_config_dump('emsn.sync_days', '');

CREATE TABLE emsn.rejected_detections (
    station text NOT NULL,
    day date,
    "time" time,
    reason text NOT NULL,
    raw text NOT NULL,
    rejected_at timestamptz NOT NULL
);
CREATE INDEX ON emsn.rejected_detections (station, day);
COMMENT ON TABLE emsn.rejected_detections IS 'Rows of the sources that are not in the table of detections, and why; a row that the source no longer has leaves it.';
COMMENT ON COLUMN emsn.rejected_detections.day IS 'NULL: could not be read; so too time.';
COMMENT ON COLUMN emsn.rejected_detections.raw IS 'Its values as JSON, the first 4000 characters.';
COMMENT ON COLUMN emsn.rejected_detections.rejected_at IS 'When it was first rejected for this reason.';
SELECT pg_catalog.pg_extension_config_dump('emsn.rejected_detections', '');

-- Names, not OIDs: a dump restores them. A role made anew under the name of a dropped one has its stations.
CREATE TABLE emsn.publishers (
    role_name name NOT NULL,
    station text NOT NULL CHECK (station <> ''),
    PRIMARY KEY (role_name, station)
);
COMMENT ON TABLE emsn.publishers IS 'Which role may publish which station: see emsn.allow_publisher.';
SELECT pg_catalog.pg_extension_config_dump('emsn.publishers', '');
