CREATE TEMPORARY TABLE clicks (
  event_id STRING,
  event_type STRING,
  event_time BIGINT,
  user_id STRING,
  product_id STRING
) WITH (
  'connector' = 'kafka',
  'topic' = '{{clicks}}',
  'properties.bootstrap.servers' = '${kafka_bootstrap}',
  'properties.group.id' = '{{group}}',
  ${startup},
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

-- The value is read as text: a format would pass over the empty one that says that a product is gone.
CREATE TEMPORARY TABLE neighbours (
  product_id STRING,
  neighbours STRING
) WITH (
  'connector' = 'kafka',
  'topic' = '{{neighbours}}',
  'properties.bootstrap.servers' = '${kafka_bootstrap}',
  'properties.group.id' = '{{group}}',
  'scan.startup.mode' = 'earliest-offset',
  'key.format' = 'raw',
  'key.fields' = 'product_id',
  'value.format' = 'raw',
  'value.fields-include' = 'EXCEPT_KEY'
);

CREATE TEMPORARY VIEW inputs AS
SELECT event_id, event_type, event_time, user_id, product_id, CAST(NULL AS STRING) AS neighbours
FROM clicks WHERE event_id IS NOT NULL
UNION ALL
SELECT CAST(NULL AS STRING), CAST(NULL AS STRING), CAST(NULL AS BIGINT), CAST(NULL AS STRING), product_id, neighbours
FROM neighbours;
