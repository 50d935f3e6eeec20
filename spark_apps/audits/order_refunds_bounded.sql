-- severity: warn
-- meaning: an order with refunds above its revenue
-- owner: shop
SELECT order_id, order_day, revenue, refunded
FROM {{ table('curated.orders') }}
WHERE lines > 0 AND refunded > revenue
