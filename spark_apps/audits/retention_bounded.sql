-- severity: error
-- meaning: a cohort and week whose users, active users or retention differ from curated.events, or with a retention outside 0 to 1
-- owner: marts
-- The cohort of a user depends on all events. Between two full audits, the users of the changed weeks are counted in all cohorts together.
{% import "macros.sql" as macros %}
WITH weeks AS (
    SELECT DISTINCT user_id, CAST(date_trunc('WEEK', event_day) AS DATE) AS active_week
    FROM {{ table('curated.events') }}
    WHERE {{ macros.on_days("event_day", days_of_changed_weeks) }} AND user_id IS NOT NULL
), mart AS (
    SELECT
        *,
        date_add(cohort_week, 7 * week) AS active_week,
        count(*) OVER (PARTITION BY cohort_week, week) AS times,
        first_value(active) OVER (PARTITION BY cohort_week ORDER BY week) AS active_at_first
    FROM {{ table('marts.retention_weekly') }}
), problems AS (
    SELECT active_week, cohort_week, users, active, retention, CAST(NULL AS BIGINT) AS active_in_events
    FROM mart
    WHERE NOT coalesce(
        times = 1 AND users = active_at_first AND retention = active / users AND retention BETWEEN 0 AND 1 AND (week <> 0 OR retention = 1),
        false
    )
    UNION ALL
{% if changed_days is none %}
    SELECT e.active_week, e.cohort_week, NULL, m.active, NULL, e.active
    FROM mart AS m
    FULL OUTER JOIN (
        SELECT cohort_week, active_week, count(*) AS active
        FROM weeks JOIN (SELECT user_id, min(active_week) AS cohort_week FROM weeks GROUP BY user_id) USING (user_id)
        GROUP BY cohort_week, active_week
    ) AS e ON e.cohort_week = m.cohort_week AND e.active_week = m.active_week
{% else %}
    SELECT e.active_week, NULL, NULL, m.active, NULL, e.active
    FROM (
        SELECT active_week, sum(active) AS active FROM mart WHERE {{ macros.on_days("active_week", days_of_changed_weeks) }} GROUP BY active_week
    ) AS m
    FULL OUTER JOIN (SELECT active_week, count(*) AS active FROM weeks GROUP BY active_week) AS e ON e.active_week = m.active_week
{% endif %}
    WHERE NOT m.active <=> e.active
)
SELECT * FROM problems
