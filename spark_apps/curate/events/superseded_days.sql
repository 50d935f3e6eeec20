-- grain: one row per day
-- The days of published events that a new click supersedes: it has the same event_id and arrived at the broker earlier.
SELECT DISTINCT d.event_day
FROM published_duplicates AS d
JOIN new_clicks AS n ON n.event_id = d.event_id AND n.arrival < d.arrival
