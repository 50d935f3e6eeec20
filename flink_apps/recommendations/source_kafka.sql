-- `inputs` from Kafka: clicks, and the neighbours of products that the features DAG publishes.
CREATE TEMPORARY TABLE clicks (
  event_id STRING,
  event_type STRING,
  event_time BIGINT,
  user_id STRING,
  product_id STRING
) WITH (
{{ macros.table_options(connectors.sources.clicks, connectors.startup) }}
);

-- The value is read as text: a JSON format would drop the tombstones, which say that a product has no neighbours any more.
CREATE TEMPORARY TABLE neighbours (
  product_id STRING,
  neighbours STRING
) WITH (
{{ macros.table_options(connectors.sources.neighbours) }}
);

-- grain: one row per click, or record of item.neighbours.v1
CREATE TEMPORARY VIEW inputs AS
SELECT event_id, event_type, event_time, user_id, product_id, CAST(NULL AS STRING) AS neighbours
FROM clicks WHERE event_id IS NOT NULL
UNION ALL
SELECT CAST(NULL AS STRING), CAST(NULL AS STRING), CAST(NULL AS BIGINT), CAST(NULL AS STRING), product_id, neighbours
FROM neighbours;
