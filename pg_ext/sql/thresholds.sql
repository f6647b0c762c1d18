-- Limits: the user's rows, how a default gives way to them, and when a value has reached one.
--   80    the value itself        80%   per cent of the whole
--   -10   left over: whole minus value       -10%   left over, per cent of the whole

CREATE TABLE emsn.thresholds (
    check_name text NOT NULL,
    subject text,
    warning_at text CHECK (warning_at ~ '^-?[0-9]{1,15}(\.[0-9]{1,6})?%?$'),
    critical_at text CHECK (critical_at ~ '^-?[0-9]{1,15}(\.[0-9]{1,6})?%?$'),
    UNIQUE NULLS NOT DISTINCT (check_name, subject),
    CHECK (warning_at IS NOT NULL OR critical_at IS NOT NULL)
);
COMMENT ON TABLE emsn.thresholds IS 'Limits that replace the defaults of emsn.health: 80, 80% or -10 (left over).';
COMMENT ON COLUMN emsn.thresholds.subject IS 'NULL or empty: every subject of the check; a row for one subject wins.';
COMMENT ON COLUMN emsn.thresholds.warning_at IS 'NULL: not set here, the more general limit holds.';
COMMENT ON COLUMN emsn.thresholds.critical_at IS 'NULL: not set here, the more general limit holds.';
SELECT pg_catalog.pg_extension_config_dump('emsn.thresholds', '');

-- Each level on its own: the subject's row, else the row for every subject, else the default. These three are asked for
-- each row of emsn.health: in plpgsql, whose plans are kept for the session.
CREATE FUNCTION emsn.limits(check_name text, subject text, default_warning text, default_critical text,
                            OUT warning_at text, OUT critical_at text)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    SELECT coalesce(own.warning_at, every.warning_at, void.warning_at, $3),
           coalesce(own.critical_at, every.critical_at, void.critical_at, $4)
    INTO limits.warning_at, limits.critical_at
    FROM (SELECT 1) AS one
    LEFT JOIN emsn.thresholds AS own ON own.check_name = $1 AND own.subject = $2 AND $2 <> ''
    LEFT JOIN emsn.thresholds AS every ON every.check_name = $1 AND every.subject IS NULL
    LEFT JOIN emsn.thresholds AS void ON void.check_name = $1 AND void.subject = '';
END
$$;
COMMENT ON FUNCTION emsn.limits(text, text, text, text) IS 'The limits that hold for one subject of one check.';

-- Bound when created, without SET: both become part of the expression that asks.
-- Whether a value that is bad when high has reached a limit. whole: what % and - refer to.
-- No limit is never reached; NULL: the limit has no meaning without a whole.
CREATE FUNCTION emsn.is_at_or_above(value numeric, bound text, whole numeric) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
        WHEN bound IS NULL THEN false
        WHEN bound LIKE '-%\%' THEN (whole - value) * 100 <= whole * rtrim(ltrim(bound, '-'), '%')::numeric
        WHEN bound LIKE '-%' THEN whole - value <= ltrim(bound, '-')::numeric
        WHEN bound LIKE '%\%' THEN value * 100 >= whole * rtrim(bound, '%')::numeric
        ELSE value >= bound::numeric
    END;
COMMENT ON FUNCTION emsn.is_at_or_above(numeric, text, numeric) IS 'Whether a value that is bad when high has reached a limit.';

-- The same for a value that is bad when low. usual: what % refers to; where that is unknown or nothing (at night) such a
-- limit is not reached.
CREATE FUNCTION emsn.is_at_or_below(value numeric, bound text, usual numeric) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
        WHEN bound IS NULL THEN false
        WHEN bound LIKE '-%' THEN NULL
        WHEN bound LIKE '%\%' THEN coalesce(usual > 0 AND value * 100 <= usual * rtrim(bound, '%')::numeric, false)
        ELSE value <= bound::numeric
    END;
COMMENT ON FUNCTION emsn.is_at_or_below(numeric, text, numeric) IS 'Whether a value that is bad when low has reached a limit.';
