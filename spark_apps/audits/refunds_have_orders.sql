-- severity: warn
-- meaning: a refund of an order without a purchase
-- owner: shop
SELECT order_id, order_day, refunded
FROM {{ table('curated.orders') }}
WHERE lines = 0
