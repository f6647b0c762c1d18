-- The rows of a report as one JSON array: psql -v kind=monthly -v day=2025-12-01 -v station='' (all of them).
SELECT coalesce(jsonb_agg(jsonb_build_object('section', r.section, 'position', r.position, 'label', r.label, 'value', r.value,
                                             'unit', r.unit, 'detail', r.detail)
                          ORDER BY r.number), '[]')
FROM emsn.report(:'kind', :'day', nullif(:'station', ''))
    WITH ORDINALITY AS r (section, position, label, value, unit, detail, number);
