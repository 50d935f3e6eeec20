-- severity: error
-- meaning: a session_id whose sessions do not add up to its events, views, carts, checkouts, purchases or revenue
-- owner: lake
{% import "macros.sql" as macros %}

WITH counts AS (
    SELECT
        e.session_id,
        1 AS events,
        CAST(e.event_type = 'view_item' AS INT) AS views,
        CAST(e.event_type = 'add_to_cart' AS INT) AS carts,
        CAST(e.event_type = 'begin_checkout' AS INT) AS checkouts,
        CAST(e.event_type = 'purchase' AND l.event_id IS NULL AS INT) AS purchases,
        CASE WHEN e.event_type = 'purchase' AND l.event_id IS NULL THEN coalesce({{ macros.amount_of("e") }}, 0) ELSE 0 END AS revenue,
        0 AS currencies
    FROM {{ table('curated.events') }} AS e
    LEFT JOIN (SELECT event_id FROM {{ table('curated.order_lines') }} WHERE NOT counted) AS l ON l.event_id = e.event_id
    UNION ALL
    SELECT session_id, -events, -views, -carts, -checkouts, -purchases, -revenue, coalesce(currencies, 0)
    FROM {{ table('curated.sessions') }}
)
SELECT
    session_id,
    sum(events) AS missing_events,
    sum(views) AS missing_views,
    sum(carts) AS missing_carts,
    sum(checkouts) AS missing_checkouts,
    sum(purchases) AS missing_purchases,
    sum(revenue) AS missing_revenue
FROM counts
GROUP BY session_id
HAVING sum(events) <> 0 OR sum(views) <> 0 OR sum(carts) <> 0 OR sum(checkouts) <> 0 OR sum(purchases) <> 0
    -- A session of several currencies has the revenue of one of them.
    OR (sum(revenue) <> 0 AND max(currencies) < 2)
