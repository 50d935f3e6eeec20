-- The days of orders that came, went or changed; an order can change its day.
SELECT DISTINCT explode(array_compact(array(n.order_day, a.order_day))) AS order_day
FROM new_orders AS n
FULL OUTER JOIN affected_orders AS a ON a.order_id = n.order_id
WHERE NOT struct(n.*) <=> struct(a.*)
