-- severity: error
-- meaning: an event_id that is in curated.events more than once
-- owner: lake
-- On the changed days; on all days in a full audit.
{% import "macros.sql" as macros %}
SELECT event_id, count(*) AS times
FROM {{ table('curated.events') }}
WHERE {{ macros.on_days("event_day", changed_days) }}
GROUP BY event_id
HAVING count(*) > 1
