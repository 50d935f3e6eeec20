-- severity: error
-- meaning: an event_id that is in curated.events more than once
-- owner: lake
SELECT event_id, count(*) AS times
FROM {{ table('curated.events') }}
GROUP BY event_id
HAVING count(*) > 1
