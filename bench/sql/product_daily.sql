-- grain: one row per day and product
SELECT
    day,
    product_id,
    count(*) FILTER (event_type = 'view_item') AS views,
    count(*) FILTER (event_type = 'add_to_cart') AS carts,
    count(*) FILTER (event_type = 'purchase') AS purchases
FROM events
WHERE product_id IS NOT NULL AND event_type IN ('view_item', 'add_to_cart', 'purchase')
GROUP BY day, product_id
