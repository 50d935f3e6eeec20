-- The curated tables, with the columns that the marts need, by DuckDB.
{% import "formulas.sql" as formulas %}
-- grain: one row per event_id
CREATE TABLE events AS
SELECT *, event_time::DATE AS day
FROM clicks
QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY ingested_at, kafka_partition, kafka_offset) = 1;

-- A purchase line that the order has already is no purchase.
UPDATE events SET event_type = 'repeat' WHERE event_id IN (
    SELECT event_id
    FROM events
    WHERE event_type = 'purchase' AND order_id IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY order_id, product_id, price, coalesce(quantity, 1), currency ORDER BY ingested_at, kafka_partition, kafka_offset
    ) > 1
);

-- grain: one row per session
CREATE TABLE sessions AS
WITH session_starts AS (
    SELECT *, coalesce(event_time - lag(event_time) OVER by_time > {{ session_pause }}, true)::INT AS starts_session
    FROM events
    WINDOW by_time AS (PARTITION BY session_id ORDER BY event_time)
), numbered AS (
    SELECT
        *,
        sum(starts_session) OVER (PARTITION BY session_id ORDER BY event_time RANGE UNBOUNDED PRECEDING) AS session_number
    FROM session_starts
)
SELECT
    min(event_time)::DATE AS day,
    bool_or(event_type = 'view_item') AS viewed,
    bool_or(event_type = 'add_to_cart') AS carted,
    bool_or(event_type = 'begin_checkout') AS checkout,
    bool_or(event_type = 'purchase') AS purchased
FROM numbered
GROUP BY session_id, session_number;

-- grain: one row per order
CREATE TABLE orders AS
SELECT
    coalesce(order_id, 'event:' || event_id) AS order_id,
    min(event_time)::DATE AS day,
    coalesce(min(currency), '') AS currency,
    coalesce(sum({{ formulas.amount() }}), 0) AS revenue
FROM events
WHERE event_type = 'purchase'
GROUP BY 1;
