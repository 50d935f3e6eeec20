-- Kafka fraud.scores.v1 and fraud.alerts.v1 -> raw.fraud_scores and raw.fraud_alerts. {{...}} is filled from the contract and
-- belongs to the definition; ${...} is where the job runs, filled at its start.

CREATE TEMPORARY TABLE scores (
  payload BYTES,
  kafka_partition INT NOT NULL METADATA FROM 'partition' VIRTUAL,
  kafka_offset BIGINT NOT NULL METADATA FROM 'offset' VIRTUAL,
  ingested_at TIMESTAMP_LTZ(3) NOT NULL METADATA FROM 'timestamp' VIRTUAL
) WITH (
  'connector' = 'kafka',
  'topic' = '{{scores_topic}}',
  'properties.bootstrap.servers' = '${kafka_bootstrap}',
  'properties.group.id' = '{{group}}',
  ${startup_scores},
  'format' = 'raw'
);

CREATE TEMPORARY TABLE alerts (
  payload BYTES,
  kafka_partition INT NOT NULL METADATA FROM 'partition' VIRTUAL,
  kafka_offset BIGINT NOT NULL METADATA FROM 'offset' VIRTUAL,
  ingested_at TIMESTAMP_LTZ(3) NOT NULL METADATA FROM 'timestamp' VIRTUAL
) WITH (
  'connector' = 'kafka',
  'topic' = '{{alerts_topic}}',
  'properties.bootstrap.servers' = '${kafka_bootstrap}',
  'properties.group.id' = '{{group}}',
  ${startup_alerts},
  'format' = 'raw'
);

-- What cannot be read keeps its place with its payload: no record is lost.
INSERT INTO {{scores_table}}
SELECT
{{scores_columns}}
FROM (SELECT *, CAST(payload AS STRING) AS js FROM scores);

INSERT INTO {{alerts_table}}
SELECT
{{alerts_columns}}
FROM (SELECT *, CAST(payload AS STRING) AS js FROM alerts);
