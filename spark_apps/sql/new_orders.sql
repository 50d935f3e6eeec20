-- The orders anew: of all purchases and refunds of the touched days, and of other days those of an affected order.
WITH money AS (
    SELECT
        *,
        coalesce(order_id, concat('event:', event_id)) AS order_key,
        struct(event_time, ingested_at, kafka_partition, kafka_offset) AS place,
        coalesce(quantity, 1) AS pieces,
        coalesce(price, 0) * coalesce(quantity, 1) AS amount,
        event_type = 'purchase' AS bought
    FROM {curated.events}
    WHERE event_day IN ({read_days}) AND event_type IN ('purchase', 'refund')
), taken AS (
    SELECT m.*
    FROM money AS m
    LEFT JOIN (SELECT order_id FROM affected_orders) AS a ON a.order_id = m.order_key
    WHERE m.event_day IN ({days}) OR a.order_id IS NOT NULL
)
SELECT
    order_key AS order_id,
    CAST(min(event_time) AS DATE) AS order_day,
    min(event_time) AS ordered_at,
    max(event_time) AS last_at,
    min_by(user_id, CASE WHEN user_id IS NOT NULL THEN place END) AS user_id,
    min_by(session_id, place) AS session_id,
    coalesce(min_by(currency, CASE WHEN currency IS NOT NULL THEN place END), '') AS currency,
    count_if(bought) AS lines,
    coalesce(sum(CASE WHEN bought THEN pieces END), 0) AS items,
    CAST(sum(CASE WHEN bought THEN amount ELSE 0 END) AS DECIMAL(18, 2)) AS revenue,
    CAST(sum(CASE WHEN bought THEN 0 ELSE amount END) AS DECIMAL(18, 2)) AS refunded
FROM taken
GROUP BY order_key
