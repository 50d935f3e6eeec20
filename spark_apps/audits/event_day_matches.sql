-- severity: error
-- meaning: an event whose event_day is not the day of its event_time in the shop's time zone
-- owner: lake
SELECT event_id, event_time, event_day
FROM {{ table('curated.events') }}
WHERE event_day <> CAST(event_time AS DATE)
