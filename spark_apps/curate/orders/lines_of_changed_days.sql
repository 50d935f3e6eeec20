-- grain: one row per purchase or refund event
-- All order lines of the changed days: the published ones of orders that are not affected, and the recomputed ones.
SELECT * FROM {{ published('curated.order_lines') }} AS l
LEFT ANTI JOIN affected_orders AS a ON a.order_id = l.order_id
WHERE l.line_day IN ({{ days | literal }})
UNION ALL
SELECT * FROM order_lines WHERE line_day IN ({{ days | literal }})
