-- severity: warn
-- meaning: a refund of an order whose purchase never came
-- owner: shop
SELECT order_id, order_day, refunded
FROM {curated.orders}
WHERE lines = 0
