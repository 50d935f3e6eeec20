-- severity: error
-- meaning: a day whose product views, carts, purchases or revenue differ from those of its events
-- owner: marts
WITH sums AS (
    SELECT day, views, carts, purchases, revenue FROM {marts.product_daily}
    UNION ALL
    SELECT
        event_day,
        -CAST(event_type = 'view_item' AS INT),
        -CAST(event_type = 'add_to_cart' AS INT),
        -CAST(event_type = 'purchase' AS INT),
        CASE WHEN event_type = 'purchase' THEN -(coalesce(price, 0) * coalesce(quantity, 1)) ELSE 0 END
    FROM {curated.events}
    WHERE product_id IS NOT NULL
)
SELECT day, sum(views) AS views, sum(carts) AS carts, sum(purchases) AS purchases, sum(revenue) AS revenue
FROM sums
GROUP BY day
HAVING sum(views) <> 0 OR sum(carts) <> 0 OR sum(purchases) <> 0 OR sum(revenue) <> 0
