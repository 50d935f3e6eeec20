-- grain: one row per order
-- The orders of all purchases and refunds of the affected days and, on other days, of those of an affected order.
{% import "macros.sql" as macros %}
WITH payments AS (
    SELECT
        e.*,
        {{ macros.order_key("e") }} AS order_key,
        struct(e.event_time, e.ingested_at, e.kafka_partition, e.kafka_offset) AS time_order,
        coalesce(e.quantity, 1) AS pieces,
        {{ macros.amount_of("e") }} AS event_amount,
        e.event_type = 'purchase' AS is_purchase
    FROM {{ table('curated.events') }} AS e
    WHERE e.event_day IN ({{ read_days | literal }}) AND e.event_type IN ('purchase', 'refund')
), order_events AS (
    SELECT p.*
    FROM payments AS p
    LEFT JOIN (SELECT order_id FROM affected_orders) AS a ON a.order_id = p.order_key
    WHERE p.event_day IN ({{ days | literal }}) OR a.order_id IS NOT NULL
)
SELECT
    order_key AS order_id,
    CAST(min(event_time) AS DATE) AS order_day,
    min(event_time) AS ordered_at,
    max(event_time) AS last_at,
    min_by(user_id, CASE WHEN user_id IS NOT NULL THEN time_order END) AS user_id,
    min_by(session_id, time_order) AS session_id,
    coalesce(min_by(currency, CASE WHEN currency IS NOT NULL THEN time_order END), '') AS currency,
    count_if(is_purchase) AS lines,
    coalesce(sum(CASE WHEN is_purchase THEN pieces END), 0) AS items,
    CAST(coalesce(sum(CASE WHEN is_purchase THEN event_amount END), 0) AS DECIMAL(18, 2)) AS revenue,
    CAST(coalesce(sum(CASE WHEN NOT is_purchase THEN event_amount END), 0) AS DECIMAL(18, 2)) AS refunded
FROM order_events
GROUP BY order_key
