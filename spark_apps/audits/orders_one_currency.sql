-- severity: warn
-- meaning: an order of the newest days with lines in several currencies
-- owner: shop
SELECT order_id, order_day, currency, currencies, revenue
FROM {{ table('curated.orders') }}
WHERE order_day >= {{ recent_since | literal }} AND currencies > 1
