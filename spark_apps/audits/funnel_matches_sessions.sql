-- severity: error
-- meaning: a day whose sessions, stages or conversion in the funnel differ from those of curated.sessions
-- owner: marts
{% import "macros.sql" as macros %}
WITH expected AS (
    SELECT
        session_day AS day,
        count(*) AS sessions,
        count_if(views + carts + checkouts + purchases > 0) AS viewed,
        count_if(carts + checkouts + purchases > 0) AS carted,
        count_if(checkouts + purchases > 0) AS checkout,
        count_if(purchases > 0) AS purchased,
        count_if(startswith(session_id, {{ unknown_session | literal }})) AS unknown
    FROM {{ table('curated.sessions') }} AS s
    WHERE {{ macros.on_days("session_day", changed_days) }} AND {{ macros.is_visit("s") }}
    GROUP BY session_day
), mart AS (
    SELECT *, count(*) OVER (PARTITION BY day) AS times FROM {{ table('marts.funnel_daily') }} WHERE {{ macros.on_days("day", changed_days) }}
)
SELECT
    coalesce(m.day, e.day) AS day,
    m.times,
    m.sessions - e.sessions AS extra_sessions,
    m.viewed - e.viewed AS extra_viewed,
    m.carted - e.carted AS extra_carted,
    m.checkout - e.checkout AS extra_checkout,
    m.purchased - e.purchased AS extra_purchased,
    m.conversion
FROM mart AS m
FULL OUTER JOIN expected AS e ON e.day = m.day
WHERE NOT coalesce(
    m.times = 1 AND m.sessions = e.sessions AND m.viewed = e.viewed AND m.carted = e.carted AND m.checkout = e.checkout
        AND m.purchased = e.purchased AND m.conversion = e.purchased / e.sessions AND coalesce(m.unknown, e.unknown) = e.unknown,
    false
)
