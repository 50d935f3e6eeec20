-- Kafka clicks.v1 -> raw.clicks and raw.quarantine. {{...}} is filled from the contract and belongs to the definition;
-- ${...} is where the job runs, filled at its start.

CREATE TEMPORARY FUNCTION json_fields AS 'io.clickstream.JsonFields';

{{records}}

-- The only place where JSON is read. A function call would be repeated for each use; a joined row is made once.
CREATE TEMPORARY VIEW parsed AS
SELECT kafka_partition, kafka_offset, ingested_at, payload, fields, nested, size
FROM records CROSS JOIN LATERAL TABLE(json_fields(payload, '{{names}}', {{max_bytes}}));

-- `problem` is NULL for a valid click, else 'reason|detail': the one verdict that both tables below ask.
CREATE TEMPORARY VIEW judged AS
SELECT
  kafka_partition, kafka_offset, ingested_at, payload,
{{columns}},
  CASE
{{problems}}
  END AS problem
FROM parsed;

INSERT INTO {{clicks}} ({{click_names}}, kafka_partition, kafka_offset, ingested_at)
SELECT {{click_names}}, kafka_partition, kafka_offset, CAST(ingested_at AS TIMESTAMP_LTZ(6))
FROM judged
WHERE problem IS NULL;

INSERT INTO {{quarantine}} (kafka_partition, kafka_offset, ingested_at, reason, detail, payload)
SELECT
  kafka_partition, kafka_offset, CAST(ingested_at AS TIMESTAMP_LTZ(6)),
  SPLIT_INDEX(problem, '|', 0),
  SUBSTRING(problem FROM POSITION('|' IN problem) + 1),
  payload
FROM judged
WHERE problem IS NOT NULL;
