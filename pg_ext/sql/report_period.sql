-- Which days a report is about, which ones it compares them with, and what a row of it is.

CREATE TYPE emsn.report_row AS (section text, "position" integer, label text, value numeric, unit text, detail jsonb);
COMMENT ON TYPE emsn.report_row IS 'One row of emsn.report.';

CREATE FUNCTION emsn.report_period(kind text, period date,
                                   OUT first_day date, OUT last_day date, OUT name text,
                                   OUT previous_first date, OUT previous_last date,
                                   OUT year_ago_first date, OUT year_ago_last date)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF kind IS NULL OR period IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'report: neither kind nor period may be NULL';
    END IF;
    -- with two years before it and a week after it
    IF period < date '0003-01-01' OR period > date '9999-11-30' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('report: %s is no day to report on', period);
    END IF;
    CASE kind
        WHEN 'monthly' THEN
            first_day := date_trunc('month', period::timestamp);
            last_day := first_day + interval '1 month' - interval '1 day';
            name := to_char(first_day, 'YYYY-MM');
            previous_first := first_day - interval '1 month';
            year_ago_first := first_day - interval '1 year';
            year_ago_last := year_ago_first + interval '1 month' - interval '1 day';
        WHEN 'weekly' THEN
            first_day := date_trunc('week', period::timestamp);
            last_day := first_day + 6;
            name := to_char(first_day, 'IYYY-"W"IW');
            previous_first := first_day - 7;
            -- the same days of the week; there is no week 53 in most years
            year_ago_first := first_day - 364;
            year_ago_last := year_ago_first + 6;
        ELSE
            RAISE EXCEPTION USING
                ERRCODE = 'invalid_parameter_value',
                MESSAGE = format('report: kind must be monthly or weekly, not "%s"', kind);
    END CASE;
    previous_last := first_day - 1;
END
$$;
COMMENT ON FUNCTION emsn.report_period(text, date) IS 'The month or ISO week that holds a day, the one before it, and the same month, or the week 52 weeks before.';

-- In percent, to one decimal; NULL when there is nothing to compare with.
CREATE FUNCTION emsn.change_percent(now_counted numeric, before numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN trim_scale(round(1000 * (now_counted - before) / nullif(before, 0)) / 10);
COMMENT ON FUNCTION emsn.change_percent(numeric, numeric) IS 'By how many percent a number differs from one before it.';
