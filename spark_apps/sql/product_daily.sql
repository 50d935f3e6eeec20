SELECT
    event_day AS day,
    product_id,
    max_by(product_category, product_valid_from) AS category,
    count_if(event_type = 'view_item') AS views,
    count(DISTINCT CASE WHEN event_type = 'view_item' THEN session_id END) AS viewers,
    count_if(event_type = 'add_to_cart') AS carts,
    count_if(event_type = 'purchase') AS purchases,
    coalesce(sum(CASE WHEN event_type = 'purchase' THEN coalesce(quantity, 1) END), 0) AS items,
    CAST(coalesce(sum(CASE WHEN event_type = 'purchase' THEN coalesce(price, 0) * coalesce(quantity, 1) END), 0) AS DECIMAL(18, 2))
        AS revenue
FROM {curated.events}
WHERE event_day IN ({days}) AND product_id IS NOT NULL AND event_type IN ('view_item', 'add_to_cart', 'purchase')
GROUP BY event_day, product_id
