-- severity: error
-- meaning: a session_id whose sessions do not add up to its events, views, purchases or revenue
-- owner: lake
WITH counts AS (
    SELECT
        session_id,
        1 AS events,
        CAST(event_type = 'view_item' AS INT) AS views,
        CAST(event_type = 'purchase' AS INT) AS purchases,
        CASE WHEN event_type = 'purchase' THEN coalesce(price, 0) * coalesce(quantity, 1) ELSE 0 END AS revenue
    FROM {curated.events}
    UNION ALL
    SELECT session_id, -events, -views, -purchases, -revenue FROM {curated.sessions}
)
SELECT
    session_id, sum(events) AS events_missing, sum(views) AS views_missing, sum(purchases) AS purchases_missing, sum(revenue) AS revenue_missing
FROM counts
GROUP BY session_id
HAVING sum(events) <> 0 OR sum(views) <> 0 OR sum(purchases) <> 0 OR sum(revenue) <> 0
