-- severity: error
-- meaning: a day whose product views, carts, purchases or revenue differ from those of its events
-- owner: marts
{% import "macros.sql" as macros %}
WITH sums AS (
    SELECT day, views, carts, purchases, revenue FROM {{ table('marts.product_daily') }}
    UNION ALL
    SELECT
        e.event_day,
        -CAST(e.event_type = 'view_item' AS INT),
        -CAST(e.event_type = 'add_to_cart' AS INT),
        -CAST(e.event_type = 'purchase' AS INT),
        CASE WHEN e.event_type = 'purchase' THEN -coalesce({{ macros.amount_of("e") }}, 0) ELSE 0 END
    FROM {{ table('curated.events') }} AS e
    WHERE e.product_id IS NOT NULL
)
SELECT day, sum(views) AS views, sum(carts) AS carts, sum(purchases) AS purchases, sum(revenue) AS revenue
FROM sums
GROUP BY day
HAVING sum(views) <> 0 OR sum(carts) <> 0 OR sum(purchases) <> 0 OR sum(revenue) <> 0
