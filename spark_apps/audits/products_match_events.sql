-- severity: error
-- meaning: a day and product whose category, views, viewers, carts, purchases or pieces differ from those of its events
-- owner: marts
-- A purchase without an order line was published by an earlier release: it counts.
{% import "macros.sql" as macros %}
WITH expected AS (
    SELECT
        e.event_day AS day,
        e.product_id,
        max_by(e.product_category, e.product_valid_from) AS category,
        count_if(e.event_type = 'view_item') AS views,
        count(DISTINCT CASE WHEN e.event_type = 'view_item' THEN e.session_id END) AS viewers,
        count_if(e.event_type = 'add_to_cart') AS carts,
        count_if(e.event_type = 'purchase') AS purchases,
        sum(CASE WHEN e.event_type = 'purchase' THEN coalesce(e.quantity, 1) ELSE 0 END) AS items
    FROM {{ table('curated.events') }} AS e
    LEFT ANTI JOIN (
        SELECT event_id FROM {{ table('curated.order_lines') }} WHERE {{ macros.on_days("line_day", changed_days) }} AND NOT counted
    ) AS l ON l.event_id = e.event_id
    WHERE {{ macros.on_days("e.event_day", changed_days) }} AND e.product_id IS NOT NULL AND e.event_type IN ('view_item', 'add_to_cart', 'purchase')
    GROUP BY e.event_day, e.product_id
), mart AS (
    SELECT *, count(*) OVER (PARTITION BY day, product_id) AS times FROM {{ table('marts.product_daily') }} WHERE {{ macros.on_days("day", changed_days) }}
)
SELECT
    coalesce(m.day, e.day) AS day,
    coalesce(m.product_id, e.product_id) AS product_id,
    m.times,
    m.category,
    e.category AS category_of_events,
    m.views - e.views AS extra_views,
    m.viewers - e.viewers AS extra_viewers,
    m.carts - e.carts AS extra_carts,
    m.purchases - e.purchases AS extra_purchases,
    m.items - e.items AS extra_items
FROM mart AS m
FULL OUTER JOIN expected AS e ON e.day = m.day AND e.product_id = m.product_id
WHERE NOT coalesce(
    m.times = 1 AND m.category <=> e.category AND m.views = e.views AND m.viewers = e.viewers AND m.carts = e.carts
        AND m.purchases = e.purchases AND m.items = e.items,
    false
)
