-- The orders of the changed days: those that nothing touched, and the new ones.
SELECT * FROM {curated.orders@published} AS o
LEFT ANTI JOIN affected_orders AS a ON a.order_id = o.order_id
WHERE o.order_day IN ({days})
UNION ALL
SELECT * FROM new_orders WHERE order_day IN ({days})
