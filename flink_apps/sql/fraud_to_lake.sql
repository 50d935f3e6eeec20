-- Kafka fraud.scores.v1 and fraud.alerts.v1 -> raw.fraud_scores and raw.fraud_alerts. {{...}} is filled from the contract and
-- belongs to the definition; ${...} is where the job runs, filled at its start.

{{scores}}

{{alerts}}

-- What cannot be read keeps its place with its payload: no record is lost.
INSERT INTO {{scores_table}}
SELECT
{{scores_columns}}
FROM (SELECT *, CAST(payload AS STRING) AS js FROM scores);

INSERT INTO {{alerts_table}}
SELECT
{{alerts_columns}}
FROM (SELECT *, CAST(payload AS STRING) AS js FROM alerts);
