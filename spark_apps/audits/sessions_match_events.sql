-- severity: error
-- meaning: a session of the newest days whose start, end, day or counts differ from its events, or whose events have a pause or a midnight that ends a session
-- owner: lake
-- Only the newest days: cutting all history into sessions each night would cost more than the run itself. A session that
-- began before the first of them is left out on both sides. One day more is enough to know where the sessions end at midnight.
{% import "macros.sql" as macros %}
WITH with_previous AS (
    SELECT session_id, event_time, event_type, lag(event_time) OVER (PARTITION BY session_id ORDER BY event_time) AS previous_time
    FROM {{ table('curated.events') }}
    WHERE event_day >= {{ recent_since | literal }} - INTERVAL 1 DAY
), with_visit AS (
    SELECT
        *,
        max(CASE WHEN previous_time IS NULL OR event_time > previous_time + {{ session_pause }} THEN event_time END)
            OVER (PARTITION BY session_id ORDER BY event_time) AS visit_start
    FROM with_previous
), expected AS (
    SELECT
        session_id,
        min(event_time) AS started_at,
        max(event_time) AS ended_at,
        count(*) AS events,
        count_if(event_type = 'view_item') AS views,
        count_if(event_type = 'add_to_cart') AS carts,
        count_if(event_type = 'begin_checkout') AS checkouts,
        count_if(event_type = 'refund') AS refunds
    FROM with_visit
    GROUP BY session_id, visit_start, {{ macros.visit_part("visit_start", "event_time") }}
    HAVING CAST(min(event_time) AS DATE) >= {{ recent_since | literal }}
), sessions AS (
    SELECT *, count(*) OVER (PARTITION BY session_id, started_at) AS times
    FROM {{ table('curated.sessions') }}
    WHERE session_day >= {{ recent_since | literal }}
)
SELECT
    coalesce(s.session_id, e.session_id) AS session_id,
    s.times,
    s.started_at,
    e.started_at AS started_at_in_events,
    s.ended_at,
    e.ended_at AS ended_at_in_events,
    s.events,
    e.events AS events_in_events
FROM sessions AS s
FULL OUTER JOIN expected AS e ON e.session_id = s.session_id AND e.started_at = s.started_at
WHERE NOT coalesce(
    s.times = 1 AND s.session_day = CAST(s.started_at AS DATE) AND s.ended_at = e.ended_at AND s.events = e.events AND s.views = e.views
        AND s.carts = e.carts AND s.checkouts = e.checkouts AND coalesce(s.refunds, e.refunds) = e.refunds,
    false
)
