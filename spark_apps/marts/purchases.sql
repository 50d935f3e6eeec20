-- grain: one row per purchase of a product that counts
-- A purchase without an order line was published by an earlier release: it counts.
{% import "macros.sql" as macros %}
SELECT
    e.event_day AS day,
    e.product_id,
    e.product_category,
    e.product_valid_from,
    coalesce(l.currency, {{ macros.currency_of("e") }}, '') AS currency,
    coalesce(e.quantity, 1) AS pieces,
    coalesce({{ macros.amount_of("e") }}, 0) AS amount
FROM {{ table('curated.events') }} AS e
LEFT JOIN {{ table('curated.order_lines') }} AS l ON l.event_id = e.event_id AND l.line_day IN ({{ days | literal }})
WHERE e.event_day IN ({{ days | literal }})
    AND e.event_type = 'purchase'
    AND e.product_id IS NOT NULL
    AND coalesce(l.counted, true)
