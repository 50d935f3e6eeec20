CREATE TEMPORARY TABLE inputs (
  event_id STRING,
  event_type STRING,
  event_time BIGINT,
  user_id STRING,
  product_id STRING,
  neighbours STRING
) WITH (
  'connector' = 'filesystem',
  'path' = 'file://{{events}}',
  'format' = 'json'
);
