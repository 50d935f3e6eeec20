-- severity: error
-- meaning: an order whose lines, revenue or refunds differ from its purchase and refund events
-- owner: lake
{% import "macros.sql" as macros %}
WITH sums AS (
    SELECT
        {{ macros.order_key("e") }} AS order_id,
        CAST(e.event_type = 'purchase' AS INT) AS lines,
        CASE WHEN e.event_type = 'purchase' THEN coalesce({{ macros.amount_of("e") }}, 0) ELSE 0 END AS revenue,
        CASE WHEN e.event_type = 'refund' THEN coalesce({{ macros.amount_of("e") }}, 0) ELSE 0 END AS refunded
    FROM {{ table('curated.events') }} AS e
    WHERE e.event_type IN ('purchase', 'refund')
    UNION ALL
    SELECT order_id, -lines, -revenue, -refunded FROM {{ table('curated.orders') }}
)
SELECT order_id, sum(lines) AS missing_lines, sum(revenue) AS missing_revenue, sum(refunded) AS missing_refunded
FROM sums
GROUP BY order_id
HAVING sum(lines) <> 0 OR sum(revenue) <> 0 OR sum(refunded) <> 0
