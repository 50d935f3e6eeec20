-- The days of orders that came, went or changed.
SELECT DISTINCT order_day
FROM (
    (TABLE new_orders EXCEPT TABLE affected_orders)
    UNION ALL
    (TABLE affected_orders EXCEPT TABLE new_orders)
)
