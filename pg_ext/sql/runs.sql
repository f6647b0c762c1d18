-- What ran and how it ended: jobs inside the server, and those of scripts that say so.

CREATE TABLE emsn.runs (
    run bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL CHECK (job <> ''),
    subject text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    rows bigint,
    result text NOT NULL CHECK (result <> '')
);
CREATE INDEX ON emsn.runs (job, subject, finished_at);
CREATE INDEX ON emsn.runs (job, subject, finished_at) WHERE result = 'ok';
COMMENT ON TABLE emsn.runs IS 'Runs of jobs: 90 days of them, and the newest success of each however old.';
COMMENT ON COLUMN emsn.runs.subject IS 'What it was about, such as a station or a destination.';
COMMENT ON COLUMN emsn.runs.rows IS 'What it brought: baselines learned, anomalies open, partitions made, rows sent.';
COMMENT ON COLUMN emsn.runs.result IS 'ok, or the reason why not.';
COMMENT ON SEQUENCE emsn.runs_run_seq IS 'Numbers of emsn.runs.';
SELECT pg_catalog.pg_extension_config_dump('emsn.runs', '');
SELECT pg_catalog.pg_extension_config_dump('emsn.runs_run_seq', '');

-- SECURITY DEFINER: who reports a run needs no right on the table.
CREATE FUNCTION emsn.record_run(job text, subject text, started_at timestamptz, rows bigint, result text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kept CONSTANT interval := '90 days';
    -- a job that was not run for long leaves more than one row to go
    batch CONSTANT integer := 100;
BEGIN
    IF coalesce(job, '') = '' OR started_at IS NULL OR coalesce(result, '') = '' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'record_run: job, started_at and result are given, result is ok or the reason why not';
    END IF;
    PERFORM emsn.require_primary('record_run');
    INSERT INTO emsn.runs AS r (job, subject, started_at, finished_at, rows, result)
    VALUES (left($1, 200), left(coalesce($2, ''), 200), $3, clock_timestamp(), $4, left($5, 1000));
    DELETE FROM emsn.runs AS r
    WHERE r.run IN (SELECT o.run
                    FROM emsn.runs AS o
                    WHERE o.job = $1 AND o.subject = coalesce($2, '')
                      AND o.finished_at < statement_timestamp() - kept
                      AND o.run <> (SELECT s.run
                                    FROM emsn.runs AS s
                                    WHERE s.job = $1 AND s.subject = coalesce($2, '') AND s.result = 'ok'
                                    ORDER BY s.finished_at DESC
                                    LIMIT 1)
                    LIMIT batch);
END
$$;
COMMENT ON FUNCTION emsn.record_run(text, text, timestamptz, bigint, text) IS 'Writes down a run that ends now; result is ok or the reason why not.';

-- Each job once, its newest success and what came after it.
CREATE FUNCTION emsn.last_runs()
RETURNS TABLE (job text, subject text, succeeded_at timestamptz, finished_at timestamptz, result text, failures bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE jobs (job, subject) AS (
        (SELECT r.job, r.subject FROM emsn.runs AS r ORDER BY r.job, r.subject LIMIT 1)
        UNION ALL
        SELECT n.job, n.subject
        FROM jobs AS j
        CROSS JOIN LATERAL (
            SELECT r.job, r.subject
            FROM emsn.runs AS r
            WHERE (r.job, r.subject) > (j.job, j.subject)
            ORDER BY r.job, r.subject
            LIMIT 1
        ) AS n
    )
    SELECT j.job, j.subject, s.succeeded_at, l.finished_at, l.result, f.failures
    FROM jobs AS j
    LEFT JOIN LATERAL (
        SELECT r.finished_at AS succeeded_at
        FROM emsn.runs AS r
        WHERE r.job = j.job AND r.subject = j.subject AND r.result = 'ok'
        ORDER BY r.finished_at DESC
        LIMIT 1
    ) AS s ON true
    CROSS JOIN LATERAL (
        SELECT r.finished_at, r.result
        FROM emsn.runs AS r
        WHERE r.job = j.job AND r.subject = j.subject
        ORDER BY r.finished_at DESC, r.run DESC
        LIMIT 1
    ) AS l
    CROSS JOIN LATERAL (
        SELECT count(*) AS failures
        FROM (SELECT
              FROM emsn.runs AS r
              WHERE r.job = j.job AND r.subject = j.subject
                AND r.finished_at > coalesce(s.succeeded_at, '-infinity')
              LIMIT 1000) AS n
    ) AS f;
END
$$;
COMMENT ON FUNCTION emsn.last_runs() IS 'Each job: when it last succeeded, how it last ended, and how often it failed since.';

-- The jobs that the server can run by itself, and how often.
CREATE FUNCTION emsn.server_jobs() RETURNS TABLE (job text, statement text, period interval)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    VALUES ('learn', 'SELECT emsn.learn_baselines()', interval '1 day'),
           ('check_anomalies', 'SELECT emsn.check_anomalies()', interval '15 minutes'),
           ('maintain', 'SELECT emsn.maintain()', interval '1 day');
END
$$;
COMMENT ON FUNCTION emsn.server_jobs() IS 'Jobs that emsn.run_job knows, and how often the watcher runs them.';

-- Missed ones are due at once. After a failure: in a minute, then in two, four, up to an hour. None without a table of
-- detections to work on.
CREATE FUNCTION emsn.due_jobs() RETURNS SETOF text
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 2
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT j.job
    FROM emsn.server_jobs() WITH ORDINALITY AS j (job, statement, period, number)
    LEFT JOIN emsn.last_runs() AS l ON l.job = j.job AND l.subject = 'all stations'
    WHERE EXISTS (SELECT FROM emsn.settings AS s WHERE s.name = 'detections')
      AND coalesce(l.succeeded_at, '-infinity') <= clock_timestamp() - j.period
      AND (coalesce(l.failures, 0) = 0
           OR l.finished_at <= clock_timestamp() - least(interval '1 minute' * 2 ^ least(l.failures - 1, 10), interval '1 hour'))
    ORDER BY j.number;
END
$$;
COMMENT ON FUNCTION emsn.due_jobs() IS 'The jobs of the server that are to be run now.';

-- NULL: it succeeded, and has written down its run. A cancelled query and a statement timeout are not caught.
CREATE FUNCTION emsn.try_job(job text) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    started CONSTANT timestamptz := clock_timestamp();
    statement CONSTANT text := (SELECT j.statement FROM emsn.server_jobs() AS j WHERE j.job = try_job.job);
    failure text;
BEGIN
    IF statement IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('run_job: there is no job "%s"', job),
            HINT = (SELECT 'Jobs: ' || string_agg(j.job, ', ') FROM emsn.server_jobs() AS j);
    END IF;
    BEGIN
        EXECUTE statement;
    EXCEPTION WHEN OTHERS THEN
        failure := format('%s: %s', SQLSTATE, SQLERRM);
        PERFORM emsn.record_run(job, 'all stations', started, NULL, failure);
    END;
    RETURN failure;
END
$$;
COMMENT ON FUNCTION emsn.try_job(text) IS 'Runs a job of emsn.server_jobs and writes down how it ended; returns why it failed, or NULL.';

-- A procedure, so that a failure is both written down and told. It has no search_path of its own, because it commits: every
-- name in it is qualified, and it uses no operator but IS NOT NULL.
CREATE PROCEDURE emsn.run_job(job text)
LANGUAGE plpgsql
AS $$
DECLARE
    failure pg_catalog.text;
BEGIN
    failure := emsn.try_job(job);
    COMMIT;
    IF failure IS NOT NULL THEN
        RAISE EXCEPTION USING MESSAGE = failure;
    END IF;
END
$$;
COMMENT ON PROCEDURE emsn.run_job(text) IS 'Runs a job, learn, check_anomalies or maintain, and writes down how it ended, also when it fails; then the failure is an error. For pg_cron and psql, outside of a transaction.';
