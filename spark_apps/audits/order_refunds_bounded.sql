-- severity: warn
-- meaning: an order with refunds above its revenue
-- owner: shop
{% import "macros.sql" as macros %}
SELECT order_id, order_day, revenue, refunded
FROM {{ table('curated.orders') }}
WHERE {{ macros.on_days("order_day", changed_days) }} AND lines > 0 AND refunded > revenue
