-- grain: one row per device and user whose events of the days have changed
-- The first and the last of their events of the days, and how many more there are than published. Without days: of all events.
{% import "macros.sql" as macros %}
{% set on_days = "e.event_day IN (" ~ (days | literal) ~ ")" if days else "true" %}
WITH day_events AS (
    SELECT device_id, user_id, event_time, true AS is_new
    FROM {{ table('curated.events') }} AS e
    WHERE {{ on_days }} AND device_id IS NOT NULL AND {{ macros.has_user("e") }}
{% if days %}
    UNION ALL
    SELECT device_id, user_id, event_time, false
    FROM {{ published('curated.events') }} AS e
    WHERE {{ on_days }} AND device_id IS NOT NULL AND {{ macros.has_user("e") }}
{% endif %}
), pairs AS (
    SELECT
        device_id,
        user_id,
        min(CASE WHEN is_new THEN event_time END) AS first_seen,
        max(CASE WHEN is_new THEN event_time END) AS last_seen,
        sum(CASE WHEN is_new THEN 1 ELSE -1 END) AS more_events,
        min(CASE WHEN NOT is_new THEN event_time END) AS published_first,
        max(CASE WHEN NOT is_new THEN event_time END) AS published_last
    FROM day_events
    GROUP BY device_id, user_id
)
SELECT
    device_id,
    user_id,
    first_seen,
    last_seen,
    more_events,
    -- The first or the last of them counts no more: an earlier record of its event_id has another day or user.
    coalesce(first_seen > published_first OR last_seen < published_last, first_seen IS NULL) AS withdrawn
FROM pairs
WHERE more_events <> 0 OR NOT first_seen <=> published_first OR NOT last_seen <=> published_last
