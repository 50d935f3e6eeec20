-- severity: warn
-- meaning: a refund of an order without a purchase
-- owner: shop
{% import "macros.sql" as macros %}
SELECT order_id, order_day, refunded
FROM {{ table('curated.orders') }}
WHERE {{ macros.on_days("order_day", changed_days) }} AND lines = 0
