-- The same topic, read by the same connector and thrown away: as bytes, and as typed columns by Flink's own JSON format.
CREATE TEMPORARY TABLE records_json (
{{columns}}
) WITH (
  'connector' = 'kafka',
  'topic' = '{{topic}}',
  'properties.bootstrap.servers' = '${kafka_bootstrap}',
  'properties.group.id' = 'bench',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = 'latest-offset',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

CREATE TEMPORARY TABLE records_raw (payload BYTES) WITH (
  'connector' = 'kafka',
  'topic' = '{{topic}}',
  'properties.bootstrap.servers' = '${kafka_bootstrap}',
  'properties.group.id' = 'bench',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = 'latest-offset',
  'format' = 'raw'
);

CREATE TEMPORARY TABLE nowhere_json WITH ('connector' = 'blackhole') LIKE records_json (EXCLUDING ALL);

CREATE TEMPORARY TABLE nowhere_raw WITH ('connector' = 'blackhole') LIKE records_raw (EXCLUDING ALL);

INSERT INTO nowhere_{{format}} SELECT * FROM records_{{format}};
