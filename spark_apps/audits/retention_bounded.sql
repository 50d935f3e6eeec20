-- severity: error
-- meaning: a cohort with a retention outside 0 to 1, not 1 in its first week, or with a number of users that differs from curated.events
-- owner: marts
WITH first_weeks AS (
    SELECT user_id, CAST(date_trunc('WEEK', min(event_day)) AS DATE) AS cohort_week
    FROM {{ table('curated.events') }}
    WHERE user_id IS NOT NULL
    GROUP BY user_id
), cohorts AS (
    SELECT cohort_week, count(*) AS users FROM first_weeks GROUP BY cohort_week
)
SELECT r.cohort_week, r.week, r.users, r.active, r.retention, c.users AS users_first_seen
FROM {{ table('marts.retention_weekly') }} AS r
FULL OUTER JOIN cohorts AS c ON c.cohort_week = r.cohort_week
WHERE NOT coalesce(r.retention BETWEEN 0 AND 1, false) OR (r.week = 0 AND r.retention <> 1) OR NOT r.users <=> c.users
