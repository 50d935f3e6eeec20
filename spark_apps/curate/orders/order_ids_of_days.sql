-- grain: one row per order
-- The orders with a purchase or refund on the affected days.
SELECT DISTINCT coalesce(order_id, concat('event:', event_id)) AS order_id
FROM {{ table('curated.events') }}
WHERE event_day IN ({{ days | literal }}) AND event_type IN ('purchase', 'refund')
