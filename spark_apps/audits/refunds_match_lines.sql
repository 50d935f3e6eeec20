-- severity: error
-- meaning: a day and currency whose refunds, refunded orders or amounts differ from the refund lines that count
-- owner: marts
{% import "macros.sql" as macros %}
WITH lines AS (
    SELECT
        line_day AS day,
        currency,
        count_if(counted) AS refunds,
        count(DISTINCT IF(counted, order_id, NULL)) AS orders,
        sum(IF(counted, coalesce(amount, 0), 0)) AS refunded
    FROM {{ table('curated.order_lines') }}
    WHERE {{ macros.on_days("line_day", changed_days) }} AND event_type = 'refund'
    GROUP BY line_day, currency
    HAVING count_if(counted) > 0
), mart AS (
    SELECT *, count(*) OVER (PARTITION BY day, currency) AS times FROM {{ table('marts.refunds_daily') }} WHERE {{ macros.on_days("day", changed_days) }}
)
SELECT
    coalesce(m.day, l.day) AS day,
    coalesce(m.currency, l.currency) AS currency,
    m.times,
    m.refunds AS refunds,
    l.refunds AS refunds_in_lines,
    m.orders AS orders,
    l.orders AS orders_in_lines,
    m.refunded AS refunded,
    l.refunded AS refunded_in_lines
FROM mart AS m
FULL OUTER JOIN lines AS l ON l.day = m.day AND l.currency = m.currency
WHERE NOT coalesce(m.times = 1 AND m.refunds = l.refunds AND m.orders = l.orders AND m.refunded = l.refunded, false)
