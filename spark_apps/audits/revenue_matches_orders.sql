-- severity: error
-- meaning: a day and currency whose revenue in the mart differs from that of its orders
-- owner: marts
WITH sums AS (
    SELECT day, currency, orders, items, revenue, refunded, net_revenue FROM {marts.revenue_daily}
    UNION ALL
    SELECT order_day, currency, -CAST(lines > 0 AS INT), -items, -revenue, -refunded, refunded - revenue FROM {curated.orders}
)
SELECT
    day, currency, sum(orders) AS orders_too_many, sum(items) AS items_too_many, sum(revenue) AS revenue_too_much,
    sum(refunded) AS refunded_too_much
FROM sums
GROUP BY day, currency
HAVING sum(orders) <> 0 OR sum(items) <> 0 OR sum(revenue) <> 0 OR sum(refunded) <> 0 OR sum(net_revenue) <> 0
