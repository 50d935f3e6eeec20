-- grain: one row per day and currency
-- `lines` is 0 where a refund has no purchase: its money counts as refunded, but it is not an order.
-- An order counts in the currency of its first purchase; the amount of a line in another currency counts in that one.
-- The reporting amounts are null where no rate of the day or the days before is known: never a wrong number.
{% import "macros.sql" as macros %}
WITH chosen_orders AS (
    SELECT * FROM {{ table('curated.orders') }} WHERE order_day IN ({{ days | literal }})
), days_of_mixed_orders AS (
    SELECT order_id, order_day, currency, explode({{ macros.days_of_order("o") }}) AS line_day
    FROM chosen_orders AS o
    WHERE currencies > 1
), amounts AS (
    SELECT
        o.order_day,
        o.currency,
        o.lines > 0 AS is_order,
        CASE WHEN o.lines > 0 THEN {{ macros.buyer("o", unknown_session) }} END AS buyer,
        o.items,
        o.revenue,
        o.refunded,
        coalesce(o.repeats, 0) AS repeats
    FROM chosen_orders AS o
    UNION ALL
    SELECT
        o.order_day,
        l.currency,
        false,
        NULL,
        0,
        CASE WHEN l.event_type = 'purchase' THEN coalesce(l.amount, 0) ELSE 0 END,
        CASE WHEN l.event_type = 'refund' THEN coalesce(l.amount, 0) ELSE 0 END,
        0
    FROM {{ table('curated.order_lines') }} AS l
    JOIN days_of_mixed_orders AS o ON o.line_day = l.line_day AND o.order_id = l.order_id
    WHERE l.line_day >= {{ days | min | literal }} AND l.counted AND l.currency <> o.currency
), daily AS (
    SELECT
        order_day AS day,
        currency,
        count_if(is_order) AS orders,
        count(DISTINCT buyer) AS buyers,
        sum(items) AS items,
        CAST(sum(revenue) AS DECIMAL(38, 2)) AS revenue,
        CAST(sum(refunded) AS DECIMAL(38, 2)) AS refunded,
        CAST(sum(revenue) - sum(refunded) AS DECIMAL(38, 2)) AS net_revenue,
        sum(repeats) AS repeats
    FROM amounts
    GROUP BY order_day, currency
), reporting AS (
    SELECT max(reporting_currency) AS reporting_currency FROM {{ table('landing.currency_rates') }}
), newest_rates AS (
    SELECT valid_on, currency, max_by(rate, day) AS rate
    FROM (
        SELECT day, currency, rate, explode(sequence(day, date_add(day, {{ max_rate_age | literal }}))) AS valid_on
        FROM {{ table('landing.currency_rates') }}
        WHERE day BETWEEN date_sub({{ days | min | literal }}, {{ max_rate_age | literal }}) AND {{ days | max | literal }}
    )
    GROUP BY valid_on, currency
), with_rate AS (
    SELECT
        d.*,
        reporting_currency,
        CASE WHEN d.currency = reporting_currency THEN CAST(1 AS DECIMAL(18, 8)) ELSE r.rate END AS reporting_rate
    FROM daily AS d
    CROSS JOIN reporting
    LEFT JOIN newest_rates AS r ON r.valid_on = d.day AND r.currency = d.currency
), converted AS (
    SELECT
        *,
        {{ macros.converted("revenue", "reporting_rate") }} AS reporting_revenue,
        {{ macros.converted("refunded", "reporting_rate") }} AS reporting_refunded
    FROM with_rate
)
SELECT
    day,
    currency,
    orders,
    buyers,
    items,
    revenue,
    refunded,
    net_revenue,
    day <= {{ complete_until | literal }} AS is_complete,
    repeats,
    reporting_currency,
    reporting_rate,
    reporting_revenue,
    reporting_refunded,
    CAST(reporting_revenue - reporting_refunded AS DECIMAL(38, 2)) AS reporting_net_revenue
FROM converted
