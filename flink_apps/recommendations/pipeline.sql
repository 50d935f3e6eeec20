-- From Kafka clicks.v1 and item.neighbours.v1 to recommendations.v1: a new list for a user with each product viewed.
{% import "macros.sql" as macros %}

CREATE TEMPORARY FUNCTION recommendation_list AS 'io.clickstream.RecommendationList';

{% include connectors.source_template %}


-- Views, and neighbours of products (event_id is NULL), in one stream: both take the same path, so none overtakes another.
-- grain: one row per view of a signed-in user, or product with its new neighbours
CREATE TEMPORARY VIEW views_and_neighbours AS
SELECT *, PROCTIME() AS processed_at
FROM inputs
WHERE event_id IS NULL OR (event_type = 'view_item' AND user_id <> '' AND event_time IS NOT NULL AND product_id IS NOT NULL);

CREATE TEMPORARY VIEW recent_views AS
SELECT *,
  ARRAY_AGG(product_id) OVER (
    PARTITION BY user_id ORDER BY processed_at ROWS BETWEEN {{ look_back - 1 }} PRECEDING AND CURRENT ROW
  ) AS viewed
FROM views_and_neighbours;

-- One window over all users: a single operator holds the neighbours of all products. Beside the views of each user they would take
-- about twenty times the memory.
CREATE TEMPORARY VIEW lists AS
SELECT user_id, event_id, event_time, viewed,
  recommendation_list(
    CASE WHEN event_id IS NOT NULL THEN viewed END, product_id, neighbours, CAST({{ decay }} AS DOUBLE), {{ list_length }}
  ) OVER (ORDER BY processed_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS list
FROM recent_views;

CREATE TEMPORARY TABLE recommendations (
  user_id STRING NOT NULL,
  items ARRAY<STRING>,
  because ARRAY<STRING>,
  event_id STRING,
  event_time BIGINT,
  updated_at BIGINT
) WITH (
{{ macros.table_options(connectors.recommendations) }}
);

-- An empty list is not written: the user keeps the list of an earlier view.
-- grain: one row per view of a signed-in user that gives a list
INSERT INTO recommendations
SELECT user_id, list.items, viewed, event_id, event_time, list.updated_at
FROM lists
WHERE event_id IS NOT NULL AND CARDINALITY(list.items) > 0;
