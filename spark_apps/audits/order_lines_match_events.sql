-- severity: error
-- meaning: an order line without its event, or a purchase or refund without its order line or with another order, product, quantity, currency, amount or time
-- owner: lake
{% import "macros.sql" as macros %}

WITH payments AS (
    SELECT
        e.event_id, e.event_type, e.event_day, e.event_time, e.product_id, e.price,
        {{ macros.order_key("e") }} AS order_id,
        {{ macros.currency_of("e") }} AS currency,
        {{ macros.amount_of("e") }} AS amount,
        coalesce(e.quantity, 1) AS quantity
    FROM {{ table('curated.events') }} AS e
    WHERE {{ macros.on_days("e.event_day", changed_days) }} AND e.event_type IN ('purchase', 'refund')
), expected AS (
    SELECT p.*
    FROM payments AS p
    LEFT JOIN {{ table('curated.orders') }} AS o ON o.order_id = p.order_id
    -- Orders of earlier releases have no lines.
    WHERE o.order_id IS NULL OR o.currencies IS NOT NULL
), lines AS (
    SELECT *, count(*) OVER (PARTITION BY event_id) AS times FROM {{ table('curated.order_lines') }} WHERE {{ macros.on_days("line_day", changed_days) }}
)
SELECT
    coalesce(e.event_id, l.event_id) AS event_id,
    coalesce(e.order_id, l.order_id) AS order_id,
    l.times,
    e.event_day,
    l.line_day,
    e.product_id,
    l.product_id AS product_id_of_line,
    e.currency,
    l.currency AS currency_of_line,
    e.amount,
    l.amount AS amount_of_line
FROM expected AS e
FULL OUTER JOIN lines AS l ON l.event_id = e.event_id
WHERE NOT coalesce(
    l.times = 1 AND l.order_id = e.order_id AND l.line_day = e.event_day AND l.event_time = e.event_time AND l.event_type = e.event_type
        AND l.product_id <=> e.product_id AND l.quantity = e.quantity AND l.currency = coalesce(e.currency, l.currency)
        -- The amount of a refund without a price comes from the purchases of its order.
        AND (l.amount <=> e.amount OR (e.event_type = 'refund' AND e.price IS NULL)),
    false
)
