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
