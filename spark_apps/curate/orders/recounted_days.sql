-- grain: one row per day
-- The days of published purchases that count now and did not before, or the other way round. A purchase that is not among the
-- published lines counted, if it was published at all.
SELECT DISTINCT r.line_day
FROM order_lines AS r
LEFT JOIN {{ published('curated.order_lines') }} AS p ON p.event_id = r.event_id AND p.line_day IN ({{ read_days | literal }})
WHERE r.event_type = 'purchase' AND r.counted <> coalesce(p.counted, true)
