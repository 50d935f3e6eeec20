-- The days of which something arrived.
SELECT DISTINCT event_day FROM new_clicks
