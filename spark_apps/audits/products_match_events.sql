-- severity: error
-- meaning: a day and product whose views, carts, purchases or pieces differ from those of its events, or with impossible viewers
-- owner: marts
-- A purchase without an order line was published by an earlier release: it counts.
WITH sums AS (
    SELECT day, product_id, views, carts, purchases, items, 1 AS mart_rows,
        CAST(viewers > views OR (viewers > 0) <> (views > 0) OR viewers < 0 AS INT) AS impossible_viewers
    FROM {{ table('marts.product_daily') }}
    UNION ALL
    SELECT
        e.event_day,
        e.product_id,
        -CAST(e.event_type = 'view_item' AS INT),
        -CAST(e.event_type = 'add_to_cart' AS INT),
        -CAST(e.event_type = 'purchase' AS INT),
        CASE WHEN e.event_type = 'purchase' THEN -coalesce(e.quantity, 1) ELSE 0 END,
        0,
        0
    FROM {{ table('curated.events') }} AS e
    LEFT ANTI JOIN (SELECT event_id FROM {{ table('curated.order_lines') }} WHERE NOT counted) AS l ON l.event_id = e.event_id
    WHERE e.product_id IS NOT NULL AND e.event_type IN ('view_item', 'add_to_cart', 'purchase')
)
SELECT
    day,
    product_id,
    sum(mart_rows) AS mart_rows,
    sum(views) AS extra_views,
    sum(carts) AS extra_carts,
    sum(purchases) AS extra_purchases,
    sum(items) AS extra_items
FROM sums
GROUP BY day, product_id
HAVING sum(mart_rows) <> 1 OR sum(views) <> 0 OR sum(carts) <> 0 OR sum(purchases) <> 0 OR sum(items) <> 0 OR sum(impossible_viewers) <> 0
