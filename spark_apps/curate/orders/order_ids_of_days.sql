-- grain: one row per order
-- The orders with a purchase or refund on the affected days.
{% import "macros.sql" as macros %}
SELECT DISTINCT {{ macros.order_key("e") }} AS order_id
FROM {{ table('curated.events') }} AS e
WHERE e.event_day IN ({{ days | literal }}) AND e.event_type IN ('purchase', 'refund')
