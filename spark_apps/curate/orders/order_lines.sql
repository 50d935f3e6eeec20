-- grain: one row per purchase or refund event
-- The lines of all orders of the affected days and, on other days, of the affected orders; docs/decisions/0025 has the rules:
-- * A line that arrived before with the same order, product, price, quantity and currency is a repeat. Equal refunds of a
--   product all count as long as the order has that many pieces.
-- * A purchase without a product gives the value of the whole order: it counts if no product of the order has a price.
-- * A refund without product and price refunds what is left of the order.
{% import "macros.sql" as macros %}
WITH payments AS (
    SELECT
        e.*,
        {{ macros.order_key("e") }} AS order_key,
        {{ macros.currency_of("e") }} AS own_currency,
        {{ macros.amount_of("e") }} AS own_amount,
        coalesce(e.quantity, 1) AS pieces,
        e.event_type = 'refund' AS is_refund,
        struct(e.ingested_at, e.kafka_partition, e.kafka_offset) AS arrival
    FROM {{ table('curated.events') }} AS e
    WHERE e.event_day IN ({{ read_days | literal }}) AND e.event_type IN ('purchase', 'refund')
), order_events AS (
    SELECT p.*
    FROM payments AS p
    LEFT JOIN (SELECT order_id FROM affected_orders) AS a ON a.order_id = p.order_key
    WHERE p.event_day IN ({{ days | literal }}) OR a.order_id IS NOT NULL
), completed AS (
    SELECT
        *,
        coalesce(own_currency, first_value(own_currency) IGNORE NULLS OVER whole_order, '') AS line_currency,
        coalesce(
            price,
            CASE WHEN is_refund AND product_id IS NOT NULL THEN max(CASE WHEN NOT is_refund THEN price END) OVER of_product END
        ) AS line_price
    FROM order_events
    WINDOW
        whole_order AS (
            PARTITION BY order_key ORDER BY is_refund, event_time, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ),
        of_product AS (PARTITION BY order_key, product_id)
), numbered AS (
    SELECT
        *,
        row_number() OVER equal_lines AS copy_number,
        first_value(event_id) OVER equal_lines AS first_copy,
        first_value(line_currency) OVER (PARTITION BY order_key ORDER BY is_refund, event_time, event_id) AS order_currency,
        count_if(NOT is_refund AND product_id IS NOT NULL AND line_price IS NOT NULL) OVER (PARTITION BY order_key) AS priced_lines
    FROM completed
    WINDOW equal_lines AS (
        PARTITION BY order_key, is_refund, product_id, line_price, pieces, line_currency ORDER BY arrival
    )
), with_pieces_bought AS (
    SELECT
        *,
        sum(CASE WHEN NOT is_refund AND copy_number = 1 THEN pieces END) OVER (PARTITION BY order_key, product_id) AS pieces_bought
    FROM numbered
), judged AS (
    SELECT
        *,
        CASE
            WHEN NOT is_refund AND product_id IS NULL AND priced_lines > 0 THEN 'order_total'
            WHEN copy_number > 1 AND NOT coalesce(is_refund AND product_id IS NOT NULL AND copy_number * pieces <= pieces_bought, false)
                THEN 'repeat'
        END AS reason,
        is_refund AND product_id IS NULL AND price IS NULL AS refunds_the_rest,
        coalesce(own_amount, CAST(line_price * pieces AS DECIMAL(18, 2))) AS line_amount
    FROM with_pieces_bought
), with_rest AS (
    SELECT
        *,
        sum(CASE WHEN reason IS NULL AND line_currency = order_currency THEN IF(is_refund, -line_amount, line_amount) END)
            OVER (PARTITION BY order_key) AS rest
    FROM judged
)
SELECT
    event_id,
    order_key AS order_id,
    event_day AS line_day,
    event_time,
    event_type,
    product_id,
    pieces AS quantity,
    line_price AS price,
    line_currency AS currency,
    CAST(CASE WHEN refunds_the_rest THEN greatest(coalesce(rest, 0), 0) ELSE line_amount END AS DECIMAL(38, 2)) AS amount,
    reason IS NULL AS counted,
    reason,
    CASE WHEN reason = 'repeat' THEN first_copy END AS repeat_of,
    user_id,
    device_id,
    session_id
FROM with_rest
