-- grain: one row per order
-- All orders of the changed days: the published ones that are not affected, and the recomputed ones.
SELECT * FROM {{ published('curated.orders') }} AS o
LEFT ANTI JOIN affected_orders AS a ON a.order_id = o.order_id
WHERE o.order_day IN ({{ days | literal }})
UNION ALL
SELECT * FROM orders WHERE order_day IN ({{ days | literal }})
