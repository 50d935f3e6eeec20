-- severity: error
-- meaning: an event whose event_day is not the UTC day of its event_time
-- owner: lake
SELECT event_id, event_time, event_day
FROM {{ table('curated.events') }}
WHERE event_day <> CAST(event_time AS DATE)
