-- What a station writes into its report is taken as it comes: each of these gives NULL for what is not of its kind, so
-- that no report, of whatever shape, stops a view. Bodies that were bound when they were made need no search_path.

CREATE FUNCTION emsn.json_rows(list jsonb) RETURNS SETOF jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 20
BEGIN ATOMIC
    SELECT e.value
    FROM jsonb_array_elements(CASE WHEN jsonb_typeof(list) = 'array' THEN list ELSE '[]' END) AS e (value)
    WHERE jsonb_typeof(e.value) = 'object'
    LIMIT 1000;
END;
COMMENT ON FUNCTION emsn.json_rows(jsonb) IS 'The objects in a list, 1000 at most; none when it is no list.';

CREATE FUNCTION emsn.json_text(value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(value) = 'string' THEN left(value #>> '{}', 1000) END;
COMMENT ON FUNCTION emsn.json_text(jsonb) IS 'The first 1000 characters of a text; NULL for anything else.';

CREATE FUNCTION emsn.json_boolean(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(value) = 'boolean' THEN value::boolean END;
COMMENT ON FUNCTION emsn.json_boolean(jsonb) IS 'True or false; NULL for anything else.';

-- bounded, for a number in JSON may have 131072 digits
CREATE FUNCTION emsn.json_number(value jsonb, lowest numeric, highest numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(value) = 'number'
            THEN CASE WHEN value::numeric BETWEEN lowest AND highest THEN trim_scale(round(value::numeric, 3)) END END;
COMMENT ON FUNCTION emsn.json_number(jsonb, numeric, numeric) IS 'A number within bounds, to 3 decimals; NULL for anything else.';

CREATE FUNCTION emsn.json_count(value jsonb) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN emsn.json_number(value, 0, 9223372036854775807)::bigint;
COMMENT ON FUNCTION emsn.json_count(jsonb) IS 'A number of bytes or things; NULL for anything else.';

-- The form of every time that emsn writes. The day is added to the first of its month: the 30th of February is then in
-- another month, and no cast fails.
CREATE FUNCTION emsn.json_time(value jsonb) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN emsn.json_text(value) ~ '^[1-9]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?Z$'
    THEN CASE
        WHEN date_part('month', make_date(substr(value #>> '{}', 1, 4)::integer, substr(value #>> '{}', 6, 2)::integer, 1)
                                + (substr(value #>> '{}', 9, 2)::integer - 1)) = substr(value #>> '{}', 6, 2)::integer
        THEN (make_date(substr(value #>> '{}', 1, 4)::integer, substr(value #>> '{}', 6, 2)::integer,
                        substr(value #>> '{}', 9, 2)::integer)
              + make_time(substr(value #>> '{}', 12, 2)::integer, substr(value #>> '{}', 15, 2)::integer,
                          rtrim(substr(value #>> '{}', 18), 'Z')::double precision)) AT TIME ZONE 'UTC'
    END
END;
COMMENT ON FUNCTION emsn.json_time(jsonb) IS 'A time such as 2025-12-30T02:00:00Z; NULL for anything else.';
