CREATE TABLE events AS
  SELECT *, event_time::DATE AS day FROM clicks
  QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY ingested_at, kafka_partition, kafka_offset) = 1;
CREATE TABLE sessions AS
  WITH gaps AS (
    SELECT *, coalesce(event_time - lag(event_time) OVER w > INTERVAL 30 MINUTE, true)::INT AS begins
    FROM events WINDOW w AS (PARTITION BY session_id ORDER BY event_time)
  ),
  numbered AS (
    SELECT *, sum(begins) OVER (PARTITION BY session_id ORDER BY event_time RANGE UNBOUNDED PRECEDING) AS n FROM gaps
  )
  SELECT min(event_time)::DATE AS day,
    bool_or(event_type = 'view_item') AS viewed, bool_or(event_type = 'add_to_cart') AS carted,
    bool_or(event_type = 'begin_checkout') AS checkout, bool_or(event_type = 'purchase') AS purchased
  FROM numbered GROUP BY session_id, n;
CREATE TABLE orders AS
  SELECT coalesce(order_id, 'event:' || event_id) AS order_id, min(event_time)::DATE AS day, coalesce(min(currency), '') AS currency,
    sum(coalesce(price, 0) * coalesce(quantity, 1)) AS revenue
  FROM events WHERE event_type = 'purchase' GROUP BY 1;
