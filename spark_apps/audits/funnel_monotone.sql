-- severity: error
-- meaning: a day on which a stage of the funnel has more sessions than the one before
-- owner: marts
SELECT day, sessions, viewed, carted, checkout, purchased
FROM {{ table('marts.funnel_daily') }}
WHERE viewed > sessions OR carted > viewed OR checkout > carted OR purchased > checkout OR purchased < 0
