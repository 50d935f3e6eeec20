-- `inputs` from a file of JSON lines, for tests.
-- grain: one row per click, or product with its new neighbours
CREATE TEMPORARY TABLE inputs (
  event_id STRING,
  event_type STRING,
  event_time BIGINT,
  user_id STRING,
  product_id STRING,
  neighbours STRING
) WITH (
{{ macros.table_options(connectors.sources.inputs) }}
);
