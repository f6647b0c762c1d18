-- The weather of the period, when a table or view weather_data stands in the schema of the table of detections: of each
-- column of numbers that is named for something of the weather, the mean and the extremes. It is the user's own: it may
-- have any columns, be locked or forbidden, and then one row says why there is nothing.

CREATE FUNCTION emsn.weather_plan(OUT relation regclass, OUT moment text, OUT measures text[])
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    SELECT w.oid
    INTO relation
    FROM emsn.settings AS s
    JOIN pg_class AS c ON c.oid = to_regclass(s.value)
    JOIN pg_class AS w ON w.relnamespace = c.relnamespace AND w.relname = 'weather_data' AND w.relkind IN ('r', 'p', 'f', 'v', 'm')
    JOIN pg_roles AS o ON o.oid = w.relowner
    WHERE s.name = 'detections' AND (w.relowner = c.relowner OR o.rolsuper);
    SELECT a.attname
    INTO moment
    FROM pg_attribute AS a
    WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
      AND a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
    -- when it was measured, not when the row was made
    ORDER BY a.attname ~ '^(created|updated|inserted)', a.atttypid = 'date'::regtype, a.attnum
    LIMIT 1;
    SELECT array_agg(a.attname::text ORDER BY a.attnum)
    INTO measures
    FROM pg_attribute AS a
    JOIN pg_type AS t ON t.oid = a.atttypid
        AND coalesce(nullif(t.typbasetype, 0), t.oid) IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'float4'::regtype,
                                                          'float8'::regtype, 'numeric'::regtype)
    WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attname ~* '(temp|humid|press|baro|rain|precip|wind|gust|sun|solar|uv|lux|light|dew|cloud|snow)'
      AND a.attname !~* '(dir|_id$|^id$)';
END
$$;
COMMENT ON FUNCTION emsn.weather_plan() IS 'The table weather_data beside that of detections, its column of time, and its columns of measures; NULL when there is none.';

-- PARALLEL UNSAFE: an exception block is a subtransaction
CREATE FUNCTION emsn.report_weather(kind text, period date) RETURNS SETOF emsn.report_row
LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off
SET lock_timeout = '2s'
AS $$
#variable_conflict use_column
DECLARE
    p CONSTANT record := emsn.report_period(report_weather.kind, report_weather.period);
    w CONSTANT record := emsn.weather_plan();
    query text;
BEGIN
    IF w.moment IS NULL OR w.measures IS NULL THEN
        RETURN;
    END IF;
    -- a row for each measure; NaN and infinity are no weather
    SELECT format('
               SELECT ''weather'', v.number, v.label, trim_scale(round(avg(v.measure), 1)), NULL::text,
                      jsonb_build_object(''lowest'', trim_scale(round(min(v.measure), 1)),
                                         ''highest'', trim_scale(round(max(v.measure), 1)), ''measurements'', count(*))
               FROM %s AS m
               CROSS JOIN LATERAL (VALUES %s) AS v (number, label, measure)
               WHERE m.%I >= $1 AND m.%I < $2
                 AND v.measure NOT IN (''NaN'', ''Infinity'', ''-Infinity'')
               GROUP BY v.number, v.label', w.relation,
               string_agg(format('(%s, %L, m.%I::numeric)', u.number, u.name, u.name), ', ' ORDER BY u.number),
               w.moment, w.moment)
    INTO query
    FROM unnest(w.measures) WITH ORDINALITY AS u (name, number);
    RETURN QUERY EXECUTE query USING p.first_day::timestamp, (p.last_day + 1)::timestamp;
EXCEPTION
    WHEN OTHERS THEN
        RETURN NEXT ROW('weather', 1, 'weather_data', NULL, NULL, jsonb_build_object('error', SQLERRM))::emsn.report_row;
END
$$;
COMMENT ON FUNCTION emsn.report_weather(text, date) IS 'For emsn.report: the weather of the period, from the table weather_data.';
