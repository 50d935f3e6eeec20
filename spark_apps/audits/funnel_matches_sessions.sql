-- severity: error
-- meaning: a day whose funnel counts differ from curated.sessions in sessions or purchases
-- owner: marts
WITH counts AS (
    SELECT day, sessions, purchased FROM {{ table('marts.funnel_daily') }}
    UNION ALL
    SELECT session_day, -1, -CAST(purchases > 0 AS INT) FROM {{ table('curated.sessions') }}
)
SELECT day, sum(sessions) AS extra_sessions, sum(purchased) AS extra_purchased
FROM counts
GROUP BY day
HAVING sum(sessions) <> 0 OR sum(purchased) <> 0
