-- The health answer for people, worst first: psql -f sql/health_table.sql
\pset linestyle ascii
\pset border 1
\pset format aligned
\pset footer off
SELECT h.status,
       h.check_name AS "check",
       h.subject,
       h.message,
       h.remedy
FROM emsn.health AS h;
