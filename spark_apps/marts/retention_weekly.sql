-- grain: one row per cohort week and week since then
-- Weeks begin on Monday.
WITH weeks AS (
    SELECT DISTINCT user_id, CAST(date_trunc('WEEK', event_day) AS DATE) AS active_week
    FROM {{ table('curated.events') }}
    WHERE user_id IS NOT NULL
), cohorts AS (
    SELECT *, min(active_week) OVER (PARTITION BY user_id) AS cohort_week FROM weeks
), counts AS (
    SELECT cohort_week, CAST(datediff(active_week, cohort_week) / 7 AS INT) AS week, count(*) AS active
    FROM cohorts
    GROUP BY cohort_week, active_week
)
SELECT
    cohort_week,
    week,
    first_value(active) OVER (PARTITION BY cohort_week ORDER BY week) AS users,
    active,
    active / first_value(active) OVER (PARTITION BY cohort_week ORDER BY week) AS retention,
    date_add(cohort_week, 7 * week + 6) <= {{ complete_until | literal }} AS is_complete
FROM counts
