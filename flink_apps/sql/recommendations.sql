-- Kafka clicks.v1 and item.neighbours.v1 -> recommendations.v1: with each product viewed, its user's list anew.
-- {{...}} is filled from the contract and belongs to the definition; ${...} is where the job runs.

CREATE TEMPORARY FUNCTION fresh_list AS 'io.clickstream.FreshList';

{{door_inputs}}

-- A view has an event, a product's neighbours have none. Both take one way, so that none overtakes another.
CREATE TEMPORARY VIEW heard AS
SELECT *, PROCTIME() AS heard_at
FROM inputs
WHERE event_id IS NULL OR (event_type = 'view_item' AND user_id <> '' AND event_time IS NOT NULL AND product_id IS NOT NULL);

CREATE TEMPORARY VIEW lately AS
SELECT *, ARRAY_AGG(product_id) OVER (PARTITION BY user_id ORDER BY heard_at ROWS BETWEEN {{before}} PRECEDING AND CURRENT ROW) AS viewed
FROM heard;

-- One place knows all neighbours, whoever the user is: kept beside each user's views they would take twenty times the memory.
CREATE TEMPORARY VIEW lists AS
SELECT user_id, event_id, event_time, viewed,
  fresh_list(CASE WHEN event_id IS NOT NULL THEN viewed END, product_id, neighbours, CAST({{decay}} AS DOUBLE), {{length}})
    OVER (ORDER BY heard_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS fresh
FROM lately;

CREATE TEMPORARY TABLE recommendations (
  user_id STRING NOT NULL,
  items ARRAY<STRING>,
  because ARRAY<STRING>,
  event_id STRING,
  event_time BIGINT,
  updated_at BIGINT
) WITH (
{{door_recommendations}}
);

-- Nobody's list is replaced by an empty one.
INSERT INTO recommendations
SELECT user_id, fresh.items, viewed, event_id, event_time, fresh.updated_at
FROM lists
WHERE event_id IS NOT NULL AND CARDINALITY(fresh.items) > 0;
