-- severity: error
-- meaning: a session_id whose sessions do not add up to its events, views, purchases or revenue
-- owner: lake
{% import "macros.sql" as macros %}
WITH counts AS (
    SELECT
        e.session_id,
        1 AS events,
        CAST(e.event_type = 'view_item' AS INT) AS views,
        CAST(e.event_type = 'purchase' AS INT) AS purchases,
        CASE WHEN e.event_type = 'purchase' THEN coalesce({{ macros.amount_of("e") }}, 0) ELSE 0 END AS revenue
    FROM {{ table('curated.events') }} AS e
    UNION ALL
    SELECT session_id, -events, -views, -purchases, -revenue FROM {{ table('curated.sessions') }}
)
SELECT
    session_id,
    sum(events) AS missing_events,
    sum(views) AS missing_views,
    sum(purchases) AS missing_purchases,
    sum(revenue) AS missing_revenue
FROM counts
GROUP BY session_id
HAVING sum(events) <> 0 OR sum(views) <> 0 OR sum(purchases) <> 0 OR sum(revenue) <> 0
