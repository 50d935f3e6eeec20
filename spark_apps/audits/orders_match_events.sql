-- severity: error
-- meaning: an order whose day, currency, lines, pieces, revenue or refunds differ from its order lines that count, or that is there twice
-- owner: lake
-- Orders of earlier releases have no lines: their `currencies` is null.
WITH orders AS (
    SELECT
        order_id,
        count(*) AS times,
        min(order_day) AS order_day,
        min(ordered_at) AS ordered_at,
        min(currency) AS currency,
        max(currencies) AS currencies,
        sum(lines) AS lines,
        sum(items) AS items,
        sum(revenue) AS revenue,
        sum(refunded) AS refunded
    FROM {{ table('curated.orders') }}
    GROUP BY order_id
), sums AS (
    SELECT
        l.order_id,
        min(l.event_time) AS ordered_at,
        count_if(l.counted AND l.event_type = 'purchase') AS lines,
        coalesce(sum(CASE WHEN l.counted AND l.event_type = 'purchase' THEN l.quantity END), 0) AS items,
        coalesce(sum(CASE WHEN l.counted AND l.event_type = 'purchase' AND l.currency = o.currency THEN l.amount END), 0) AS revenue,
        coalesce(sum(CASE WHEN l.counted AND l.event_type = 'refund' AND l.currency = o.currency THEN l.amount END), 0) AS refunded,
        count(DISTINCT CASE WHEN l.counted THEN l.currency END) AS currencies,
        min_by(l.currency, struct(l.event_type = 'refund', l.event_time, l.event_id)) AS currency
    FROM {{ table('curated.order_lines') }} AS l
    LEFT JOIN orders AS o ON o.order_id = l.order_id
    GROUP BY l.order_id
)
SELECT
    coalesce(o.order_id, s.order_id) AS order_id,
    o.times,
    o.order_day,
    o.currency,
    o.lines,
    s.lines AS counted_lines,
    o.revenue,
    s.revenue AS revenue_of_lines,
    o.refunded,
    s.refunded AS refunded_of_lines
FROM orders AS o
FULL OUTER JOIN sums AS s ON s.order_id = o.order_id
WHERE (o.currencies IS NOT NULL OR s.order_id IS NOT NULL) AND NOT coalesce(
    o.times = 1 AND o.ordered_at = s.ordered_at AND o.order_day = CAST(s.ordered_at AS DATE) AND o.currency = s.currency
        AND o.currencies = s.currencies AND o.lines = s.lines AND o.items = s.items AND o.revenue = s.revenue AND o.refunded = s.refunded,
    false
)
