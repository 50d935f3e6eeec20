-- severity: error
-- meaning: an order whose lines, revenue or refunds differ from its purchase and refund events
-- owner: lake
WITH sums AS (
    SELECT
        coalesce(order_id, concat('event:', event_id)) AS order_id,
        CAST(event_type = 'purchase' AS INT) AS lines,
        CASE WHEN event_type = 'purchase' THEN coalesce(price, 0) * coalesce(quantity, 1) ELSE 0 END AS revenue,
        CASE WHEN event_type = 'refund' THEN coalesce(price, 0) * coalesce(quantity, 1) ELSE 0 END AS refunded
    FROM {curated.events}
    WHERE event_type IN ('purchase', 'refund')
    UNION ALL
    SELECT order_id, -lines, -revenue, -refunded FROM {curated.orders}
)
SELECT order_id, sum(lines) AS lines_missing, sum(revenue) AS revenue_missing, sum(refunded) AS refunded_missing
FROM sums
GROUP BY order_id
HAVING sum(lines) <> 0 OR sum(revenue) <> 0 OR sum(refunded) <> 0
