-- severity: error
-- meaning: a day and currency whose orders, buyers, pieces, revenue or refunds in the mart differ from those of its orders
-- owner: marts
{% import "macros.sql" as macros %}

WITH mixed_orders AS (
    SELECT order_id, order_day, currency FROM {{ table('curated.orders') }} WHERE {{ macros.on_days("order_day", changed_days) }} AND currencies > 1
), amounts AS (
    SELECT
        o.order_day, o.currency, o.items, o.revenue, o.refunded,
        CAST(o.lines > 0 AS INT) AS orders,
        CASE WHEN o.lines > 0 THEN {{ macros.buyer("o", unknown_session) }} END AS buyer
    FROM {{ table('curated.orders') }} AS o
    WHERE {{ macros.on_days("o.order_day", changed_days) }}
    UNION ALL
    SELECT
        o.order_day, l.currency, 0,
        CASE WHEN l.event_type = 'purchase' THEN coalesce(l.amount, 0) ELSE 0 END,
        CASE WHEN l.event_type = 'refund' THEN coalesce(l.amount, 0) ELSE 0 END,
        0, NULL
    FROM {{ table('curated.order_lines') }} AS l
    JOIN mixed_orders AS o ON o.order_id = l.order_id
    WHERE l.counted AND l.currency <> o.currency
), expected AS (
    SELECT
        order_day AS day,
        currency,
        sum(orders) AS orders,
        count(DISTINCT buyer) AS buyers,
        sum(items) AS items,
        sum(revenue) AS revenue,
        sum(refunded) AS refunded
    FROM amounts
    GROUP BY order_day, currency
), mart AS (
    SELECT *, count(*) OVER (PARTITION BY day, currency) AS times FROM {{ table('marts.revenue_daily') }} WHERE {{ macros.on_days("day", changed_days) }}
)
SELECT
    coalesce(m.day, e.day) AS day,
    coalesce(m.currency, e.currency) AS currency,
    m.times,
    m.orders - e.orders AS extra_orders,
    m.buyers - e.buyers AS extra_buyers,
    m.items - e.items AS extra_items,
    m.revenue - e.revenue AS extra_revenue,
    m.refunded - e.refunded AS extra_refunded
FROM mart AS m
FULL OUTER JOIN expected AS e ON e.day = m.day AND e.currency = m.currency
WHERE NOT coalesce(
    m.times = 1 AND m.orders = e.orders AND m.items = e.items AND m.revenue = e.revenue AND m.refunded = e.refunded
        AND m.net_revenue = e.revenue - e.refunded
        -- Rows of earlier releases, without is_complete, count users only.
        AND (m.is_complete IS NULL OR m.buyers = e.buyers),
    false
)
