-- severity: error
-- meaning: a cohort and week whose users, active users or retention differ from curated.events, or with a retention outside 0 to 1
-- owner: marts
WITH weeks AS (
    SELECT DISTINCT user_id, CAST(date_trunc('WEEK', event_day) AS DATE) AS active_week
    FROM {{ table('curated.events') }}
    WHERE user_id IS NOT NULL
), cohorts AS (
    SELECT user_id, min(active_week) AS cohort_week FROM weeks GROUP BY user_id
), cohort_sizes AS (
    SELECT cohort_week, count(*) AS users FROM cohorts GROUP BY cohort_week
), expected AS (
    SELECT c.cohort_week, datediff(w.active_week, c.cohort_week) DIV 7 AS week, count(*) AS active
    FROM weeks AS w JOIN cohorts AS c ON c.user_id = w.user_id
    GROUP BY c.cohort_week, w.active_week
), mart AS (
    SELECT *, count(*) OVER (PARTITION BY cohort_week, week) AS times FROM {{ table('marts.retention_weekly') }}
)
SELECT
    coalesce(m.cohort_week, e.cohort_week) AS cohort_week,
    coalesce(m.week, e.week) AS week,
    m.times,
    m.users,
    s.users AS users_first_seen,
    m.active,
    e.active AS active_in_events,
    m.retention
FROM mart AS m
FULL OUTER JOIN expected AS e ON e.cohort_week = m.cohort_week AND e.week = m.week
LEFT JOIN cohort_sizes AS s ON s.cohort_week = e.cohort_week
WHERE NOT coalesce(
    m.times = 1 AND m.users = s.users AND m.active = e.active AND m.retention = m.active / m.users AND m.retention BETWEEN 0 AND 1
        AND (m.week <> 0 OR m.retention = 1),
    false
)
