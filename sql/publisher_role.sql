-- A role that can publish one station and do nothing else. As the owner of the extension, in its database; again does no
-- harm:  psql -d birds -v role=zolder -v station=zolder -f publisher_role.sql
--
-- The role has no password: nobody comes in by one yet. Then, at the centre, one of
--   \password zolder                            and at the station a line in ~/.pgpass (mode 600), or
--   hostssl birds zolder ADDRESS cert           in pg_hba.conf, and at the station a certificate whose CN is the role:
--                                               sslcert=... sslkey=... sslmode=verify-full in its service file
-- To take it back: SELECT emsn.deny_publisher('zolder', 'zolder'); and, with no station left,
--   REVOKE ALL ON DATABASE birds FROM zolder; DROP ROLE zolder;
\set ON_ERROR_STOP on
SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false) \g /dev/null
BEGIN;
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') AS is_new \gset
\if :is_new
CREATE ROLE :"role" LOGIN;
\endif
-- TEMPORARY: the rows sent pass through a temporary table
GRANT CONNECT, TEMPORARY ON DATABASE :"DBNAME" TO :"role";
SELECT emsn.allow_publisher(:'role', :'station') \g /dev/null
COMMIT;
\echo role :role may publish station :station
