-- The server's disks, over the same core as the SQLite extension.

-- C: no search_path to set, no name is looked up.
CREATE FUNCTION emsn.dir_size_safe(path text, options jsonb DEFAULT '{}') RETURNS bigint
LANGUAGE C VOLATILE STRICT PARALLEL SAFE COST 100000
AS 'MODULE_PATHNAME', 'emsn_health_dir_size_safe';
COMMENT ON FUNCTION emsn.dir_size_safe(text, jsonb) IS 'Bytes below an absolute path on the server as du -sb counts them, without what cannot be read; NULL when the path itself cannot be reached.';

CREATE FUNCTION emsn.dir_usage(path text, max_depth integer DEFAULT 1, options jsonb DEFAULT '{}', OUT path text,
                               OUT name text, OUT depth bigint, OUT bytes bigint, OUT allocated_bytes bigint,
                               OUT files bigint, OUT directories bigint, OUT unreadable bigint,
                               OUT newest_mtime timestamptz, OUT error text, OUT complete boolean)
RETURNS SETOF record
LANGUAGE C VOLATILE STRICT PARALLEL SAFE COST 100000 ROWS 100
AS 'MODULE_PATHNAME', 'emsn_health_dir_usage';
COMMENT ON FUNCTION emsn.dir_usage(text, integer, jsonb) IS 'A row for each directory below an absolute path on the server, down to max_depth (0: the path only), each counting all below it.';

CREATE FUNCTION emsn.filesystems(OUT mount_point text, OUT device text, OUT fs_type text, OUT total_bytes bigint,
                                 OUT used_bytes bigint, OUT available_bytes bigint,
                                 OUT used_percent double precision, OUT inodes_total bigint,
                                 OUT inodes_used bigint, OUT read_only boolean, OUT error text)
RETURNS SETOF record
LANGUAGE C VOLATILE STRICT PARALLEL SAFE COST 1000 ROWS 10
AS 'MODULE_PATHNAME', 'emsn_health_filesystems';
COMMENT ON FUNCTION emsn.filesystems() IS 'File systems mounted on the server, as df shows them; one that does not answer within 2 s says so in error.';
