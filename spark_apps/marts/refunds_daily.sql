-- grain: one row per day and currency
-- By the day of the refund; marts.revenue_daily has refunds on the day of their order.
SELECT
    line_day AS day,
    currency,
    count(*) AS refunds,
    count(DISTINCT order_id) AS orders,
    CAST(coalesce(sum(amount), 0) AS DECIMAL(38, 2)) AS refunded,
    line_day <= {{ complete_until | literal }} AS is_complete
FROM {{ table('curated.order_lines') }}
WHERE line_day IN ({{ days | literal }}) AND event_type = 'refund' AND counted
GROUP BY line_day, currency
