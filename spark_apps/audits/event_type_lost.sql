-- severity: error
-- meaning: views, cart additions or purchases of the newest full day are less than a tenth of the lowest of the seven days before
-- owner: shop
-- A sudden loss, e.g. a release of the tracker without purchases, stops the publication of one run. The next run judges the next
-- day, and its seven days before hold the loss already: it publishes both days.
WITH counts AS (
    SELECT event_day, event_type, count(*) AS events
    FROM {{ table('curated.events') }}
    WHERE event_day BETWEEN {{ newest_day | literal }} - INTERVAL 7 DAYS AND {{ newest_day | literal }}
    GROUP BY event_day, event_type
), days AS (
    SELECT explode(sequence({{ newest_day | literal }} - INTERVAL 7 DAYS, {{ newest_day | literal }} - INTERVAL 1 DAY)) AS day
), days_with_events AS (
    SELECT DISTINCT event_day AS day FROM counts WHERE event_day <> {{ newest_day | literal }}
), lowest AS (
    SELECT t.event_type, min(coalesce(c.events, 0)) AS lowest_events
    FROM (SELECT explode(array('view_item', 'add_to_cart', 'purchase')) AS event_type) AS t
    -- In the first week of a lake there are fewer than seven days before.
    CROSS JOIN (SELECT day FROM days WHERE day >= (SELECT min(day) FROM days_with_events)) AS d
    LEFT JOIN counts AS c ON c.event_type = t.event_type AND c.event_day = d.day
    GROUP BY t.event_type
)
SELECT l.event_type, coalesce(c.events, 0) AS events, l.lowest_events
FROM lowest AS l
LEFT JOIN counts AS c ON c.event_type = l.event_type AND c.event_day = {{ newest_day | literal }}
WHERE l.lowest_events >= 100 AND coalesce(c.events, 0) * 10 < l.lowest_events
