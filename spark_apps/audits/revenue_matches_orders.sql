-- severity: error
-- meaning: a day and currency whose revenue in the mart differs from that of its orders
-- owner: marts
WITH sums AS (
    SELECT day, currency, orders, items, revenue, refunded, net_revenue FROM {{ table('marts.revenue_daily') }}
    UNION ALL
    SELECT order_day, currency, -CAST(lines > 0 AS INT), -items, -revenue, -refunded, refunded - revenue FROM {{ table('curated.orders') }}
)
SELECT
    day,
    currency,
    sum(orders) AS extra_orders,
    sum(items) AS extra_items,
    sum(revenue) AS extra_revenue,
    sum(refunded) AS extra_refunded
FROM sums
GROUP BY day, currency
HAVING sum(orders) <> 0 OR sum(items) <> 0 OR sum(revenue) <> 0 OR sum(refunded) <> 0 OR sum(net_revenue) <> 0
