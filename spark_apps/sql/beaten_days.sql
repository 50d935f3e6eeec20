-- The days of published events that a new click beats: it carries the same event_id and came to the broker earlier.
SELECT DISTINCT r.event_day
FROM rivals AS r
JOIN new_clicks AS n ON n.event_id = r.event_id AND n.arrival < r.arrival
