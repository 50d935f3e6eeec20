-- grain: one row per device and user
-- The published pairs with the changes of the days. A pair with withdrawn events is counted again, on all its days.
{% import "macros.sql" as macros %}
WITH withdrawn_pairs AS (
    SELECT device_id, user_id FROM changed_pairs WHERE withdrawn
), parts AS (
    SELECT device_id, user_id, first_seen, last_seen, events
    FROM {{ published('curated.device_users') }}
    LEFT ANTI JOIN withdrawn_pairs USING (device_id, user_id)
    UNION ALL
    SELECT device_id, user_id, first_seen, last_seen, more_events FROM changed_pairs WHERE NOT withdrawn
{% if since %}
    UNION ALL
    SELECT device_id, user_id, event_time, event_time, 1
    FROM {{ table('curated.events') }} AS e
    LEFT SEMI JOIN withdrawn_pairs AS w ON w.device_id = e.device_id AND w.user_id = e.user_id
    WHERE event_day BETWEEN {{ since | literal }} AND {{ until | literal }} AND {{ macros.has_user("e") }}
{% endif %}
)
SELECT device_id, user_id, min(first_seen) AS first_seen, max(last_seen) AS last_seen, sum(events) AS events
FROM parts
GROUP BY device_id, user_id
