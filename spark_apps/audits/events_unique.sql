-- severity: error
-- meaning: an event_id that stands in curated.events more than once
-- owner: lake
SELECT event_id, count(*) AS times
FROM {curated.events}
GROUP BY event_id
HAVING count(*) > 1
