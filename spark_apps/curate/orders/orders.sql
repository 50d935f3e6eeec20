-- grain: one row per order
-- The orders of the lines in the view `order_lines`. Amounts in another currency than that of the first purchase are not
-- added: an audit names such orders, and marts.revenue_daily has them in the row of their own currency.
WITH lines AS (
    SELECT
        *,
        event_type = 'purchase' AS is_purchase,
        struct(event_time, event_id) AS time_order,
        first_value(currency) OVER (PARTITION BY order_id ORDER BY event_type = 'refund', event_time, event_id) AS order_currency
    FROM order_lines
)
SELECT
    order_id,
    CAST(min(event_time) AS DATE) AS order_day,
    min(event_time) AS ordered_at,
    max(event_time) AS last_at,
    min_by(user_id, CASE WHEN user_id IS NOT NULL THEN time_order END) AS user_id,
    min_by(session_id, time_order) AS session_id,
    order_currency AS currency,
    count_if(counted AND is_purchase) AS lines,
    coalesce(sum(CASE WHEN counted AND is_purchase THEN quantity END), 0) AS items,
    CAST(coalesce(sum(CASE WHEN counted AND is_purchase AND currency = order_currency THEN amount END), 0) AS DECIMAL(38, 2)) AS revenue,
    CAST(coalesce(sum(CASE WHEN counted AND NOT is_purchase AND currency = order_currency THEN amount END), 0) AS DECIMAL(38, 2)) AS refunded,
    min_by(device_id, CASE WHEN device_id IS NOT NULL THEN time_order END) AS device_id,
    count(DISTINCT CASE WHEN counted THEN currency END) AS currencies,
    count_if(NOT counted) AS repeats,
    array_sort(collect_set(line_day)) AS line_days
FROM lines
GROUP BY order_id, order_currency
