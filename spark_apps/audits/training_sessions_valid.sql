-- severity: error
-- meaning: a training session that is there twice, holds fewer than two products, or has another day than that of its start
-- owner: features
WITH counted AS (
    SELECT *, count(*) OVER (PARTITION BY session_id, started_at) AS times FROM {features.training_sessions}
)
SELECT session_id, started_at, event_day, items, times
FROM counted
WHERE times > 1 OR size(items) < 2 OR exists(items, item -> item IS NULL) OR event_day <> CAST(started_at AS DATE)
