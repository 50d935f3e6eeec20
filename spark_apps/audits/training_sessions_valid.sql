-- severity: error
-- meaning: a training session listed twice, with fewer than two products or a null, or with a day other than that of its start
-- owner: features
WITH counted AS (
    SELECT *, count(*) OVER (PARTITION BY session_id, started_at) AS times FROM {{ table('features.training_sessions') }}
)
SELECT session_id, started_at, event_day, items, times
FROM counted
WHERE times > 1 OR size(items) < 2 OR exists(items, item -> item IS NULL) OR event_day <> CAST(started_at AS DATE)
