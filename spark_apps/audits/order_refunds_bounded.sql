-- severity: warn
-- meaning: an order of which more money was given back than it cost
-- owner: shop
SELECT order_id, order_day, revenue, refunded
FROM {curated.orders}
WHERE lines > 0 AND refunded > revenue
