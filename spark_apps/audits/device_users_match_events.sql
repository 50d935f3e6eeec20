-- severity: error
-- meaning: a device and user of the newest days that are missing, listed twice, or whose first, last or number of events is wrong
-- owner: lake
-- Only the newest days are read: of a pair that was seen before them, the earlier events are not counted.
{% import "macros.sql" as macros %}
WITH recent AS (
    SELECT device_id, user_id, min(event_time) AS first_seen, max(event_time) AS last_seen, count(*) AS events
    FROM {{ table('curated.events') }} AS e
    WHERE event_day >= {{ recent_since | literal }} AND device_id IS NOT NULL AND {{ macros.has_user("e") }}
    GROUP BY device_id, user_id
), pairs AS (
    SELECT *, count(*) OVER (PARTITION BY device_id, user_id) AS times
    FROM {{ table('curated.device_users') }}
    WHERE last_seen >= {{ recent_since | literal }}
)
SELECT
    coalesce(p.device_id, r.device_id) AS device_id,
    coalesce(p.user_id, r.user_id) AS user_id,
    p.times,
    p.first_seen,
    r.first_seen AS first_of_newest_days,
    p.last_seen,
    r.last_seen AS last_in_events,
    p.events,
    r.events AS events_of_newest_days
FROM pairs AS p
FULL OUTER JOIN recent AS r ON r.device_id = p.device_id AND r.user_id = p.user_id
WHERE NOT coalesce(
    p.times = 1 AND p.last_seen = r.last_seen
        AND CASE
            WHEN p.first_seen < {{ recent_since | literal }} THEN p.events > r.events
            ELSE p.first_seen = r.first_seen AND p.events = r.events
        END,
    false
)
