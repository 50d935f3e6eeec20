-- grain: one row per day and currency
-- `lines` is 0 where a refund has no purchase: its money counts as refunded, but it is not an order.
SELECT
    order_day AS day,
    currency,
    count_if(lines > 0) AS orders,
    count(DISTINCT CASE WHEN lines > 0 THEN user_id END) AS buyers,
    sum(items) AS items,
    CAST(sum(revenue) AS DECIMAL(18, 2)) AS revenue,
    CAST(sum(refunded) AS DECIMAL(18, 2)) AS refunded,
    CAST(sum(revenue) - sum(refunded) AS DECIMAL(18, 2)) AS net_revenue
FROM {{ table('curated.orders') }}
WHERE order_day IN ({{ days | literal }})
GROUP BY order_day, currency
