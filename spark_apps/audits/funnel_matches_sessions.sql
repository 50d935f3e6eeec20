-- severity: error
-- meaning: a day whose funnel counts other sessions or purchases than the sessions themselves
-- owner: marts
WITH counts AS (
    SELECT day, sessions, purchased FROM {marts.funnel_daily}
    UNION ALL
    SELECT session_day, -1, -CAST(purchases > 0 AS INT) FROM {curated.sessions}
)
SELECT day, sum(sessions) AS sessions_too_many, sum(purchased) AS purchased_too_many
FROM counts
GROUP BY day
HAVING sum(sessions) <> 0 OR sum(purchased) <> 0
