-- grain: one row per day
-- The days of orders that were added, removed or changed; the day of an order itself can change.
SELECT DISTINCT explode(array_compact(array(r.order_day, a.order_day))) AS order_day
FROM orders AS r
FULL OUTER JOIN affected_orders AS a ON a.order_id = r.order_id
WHERE NOT struct(r.*) <=> struct(a.*)
