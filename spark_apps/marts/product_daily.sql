-- grain: one row per day and product
{% import "macros.sql" as macros %}
SELECT
    e.event_day AS day,
    e.product_id,
    max_by(e.product_category, e.product_valid_from) AS category,
    count_if(e.event_type = 'view_item') AS views,
    count(DISTINCT CASE WHEN e.event_type = 'view_item' THEN e.session_id END) AS viewers,
    count_if(e.event_type = 'add_to_cart') AS carts,
    count_if(e.event_type = 'purchase') AS purchases,
    coalesce(sum(CASE WHEN e.event_type = 'purchase' THEN coalesce(e.quantity, 1) END), 0) AS items,
    CAST(coalesce(sum(CASE WHEN e.event_type = 'purchase' THEN {{ macros.amount_of("e") }} END), 0) AS DECIMAL(18, 2)) AS revenue
FROM {{ table('curated.events') }} AS e
WHERE e.event_day IN ({{ days | literal }})
    AND e.product_id IS NOT NULL
    AND e.event_type IN ('view_item', 'add_to_cart', 'purchase')
GROUP BY e.event_day, e.product_id
