-- severity: error
-- meaning: an event whose event_day is not the day of its event_time in the shop's time zone
-- owner: lake
{% import "macros.sql" as macros %}
SELECT event_id, event_time, event_day
FROM {{ table('curated.events') }}
WHERE {{ macros.on_days("event_day", changed_days) }} AND event_day <> CAST(event_time AS DATE)
