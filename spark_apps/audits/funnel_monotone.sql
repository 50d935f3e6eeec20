-- severity: error
-- meaning: a day on which a stage of the funnel has more sessions than the one before
-- owner: marts
{% import "macros.sql" as macros %}
SELECT day, sessions, viewed, carted, checkout, purchased
FROM {{ table('marts.funnel_daily') }}
WHERE {{ macros.on_days("day", changed_days) }}
    AND (viewed > sessions OR carted > viewed OR checkout > carted OR purchased > checkout OR purchased < 0)
