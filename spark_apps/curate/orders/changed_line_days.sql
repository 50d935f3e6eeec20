-- grain: one row per day
-- The days of order lines that were added, removed or changed.
WITH published_lines AS (
    SELECT l.*
    FROM {{ published('curated.order_lines') }} AS l
    LEFT SEMI JOIN affected_orders AS a ON a.order_id = l.order_id
    WHERE l.line_day IN ({{ read_days | literal }})
)
SELECT DISTINCT explode(array_compact(array(r.line_day, p.line_day))) AS line_day
FROM order_lines AS r
FULL OUTER JOIN published_lines AS p ON p.event_id = r.event_id
WHERE NOT struct(r.*) <=> struct(p.*)
