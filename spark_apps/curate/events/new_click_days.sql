-- grain: one row per day
-- The event days of the new clicks.
SELECT DISTINCT event_day FROM new_clicks
