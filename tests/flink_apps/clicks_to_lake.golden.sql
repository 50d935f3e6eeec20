-- Every record of Kafka clicks.v1 goes to raw.clicks when it is a valid click, otherwise to raw.quarantine with the reason.

CREATE TEMPORARY FUNCTION json_fields AS 'io.clickstream.JsonFields';

CREATE TEMPORARY TABLE records (
  payload BYTES,
  kafka_partition INT NOT NULL METADATA FROM 'partition' VIRTUAL,
  kafka_offset BIGINT NOT NULL METADATA FROM 'offset' VIRTUAL,
  ingested_at TIMESTAMP_LTZ(3) NOT NULL METADATA FROM 'timestamp' VIRTUAL
) WITH (
  'connector' = 'kafka',
  'topic' = 'clicks.v1',
  'properties.group.id' = 'clicks_to_lake',
  'properties.isolation.level' = 'read_committed',
  {{ kafka_connection }},
  {{ startup.records }},
  'format' = 'raw'
);

-- JSON is parsed only here. A scalar function would run again for each use of its result; a lateral join runs it once per record.
CREATE TEMPORARY VIEW parsed AS
SELECT kafka_partition, kafka_offset, ingested_at, payload, fields, nested, size
FROM records CROSS JOIN LATERAL TABLE(json_fields(payload, 'event_id,event_type,event_time,user_id,session_id,device_id,product_id,quantity,price,currency,order_id,payment_token,coupon,ip_hash,country,latitude,longitude,user_agent,referrer,search_query,release,schema_version,producer', 1000000));

-- `problem` is NULL for a valid click, else 'reason|detail'. Both INSERTs below use it, so each record goes to exactly one table.
CREATE TEMPORARY VIEW validated AS
SELECT
  kafka_partition, kafka_offset, ingested_at, payload,
  fields[1] AS `event_id`,
  fields[2] AS `event_type`,
  CASE WHEN TRY_CAST(fields[3] AS BIGINT) BETWEEN 0 AND 253402300799999 THEN CAST(TO_TIMESTAMP_LTZ(TRY_CAST(fields[3] AS BIGINT), 3) AS TIMESTAMP_LTZ(6)) END AS `event_time`,
  fields[4] AS `user_id`,
  fields[5] AS `session_id`,
  fields[6] AS `device_id`,
  fields[7] AS `product_id`,
  TRY_CAST(fields[8] AS BIGINT) AS `quantity`,
  CASE WHEN CHAR_LENGTH(fields[9]) <= 40 AND NOT REGEXP(fields[9], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields[9] AS DECIMAL(18,2)) END AS `price`,
  fields[10] AS `currency`,
  fields[11] AS `order_id`,
  fields[12] AS `payment_token`,
  fields[13] AS `coupon`,
  fields[14] AS `ip_hash`,
  fields[15] AS `country`,
  CASE WHEN CHAR_LENGTH(fields[16]) <= 40 AND NOT REGEXP(fields[16], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields[16] AS DOUBLE) END AS `latitude`,
  CASE WHEN CHAR_LENGTH(fields[17]) <= 40 AND NOT REGEXP(fields[17], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields[17] AS DOUBLE) END AS `longitude`,
  fields[18] AS `user_agent`,
  fields[19] AS `referrer`,
  fields[20] AS `search_query`,
  fields[21] AS `release`,
  TRY_CAST(fields[22] AS INT) AS `schema_version`,
  fields[23] AS `producer`,
  CASE
    WHEN size > 1000000 THEN CONCAT('too_large|', CAST(size AS STRING), ' bytes')
    WHEN payload IS NULL THEN 'not_json|no value'
    WHEN fields IS NULL THEN 'not_json|not one JSON object in UTF-8 with unique names'
    WHEN fields[22] <> '1' THEN CONCAT('unknown_version|schema_version: ''', SUBSTRING(fields[22] FROM 1 FOR 80), ''' is not 1')
    WHEN fields[1] IS NULL OR fields[1] = '' THEN 'missing_field|event_id'
    WHEN fields[2] IS NULL OR fields[2] = '' THEN 'missing_field|event_type'
    WHEN fields[3] IS NULL THEN 'missing_field|event_time'
    WHEN fields[5] IS NULL OR fields[5] = '' THEN 'missing_field|session_id'
    WHEN fields[22] IS NULL THEN 'missing_field|schema_version'
    WHEN nested IS NOT NULL THEN CONCAT('bad_type|', nested, ': an object or array is no single value')
    WHEN fields[3] IS NOT NULL AND (TRY_CAST(fields[3] AS BIGINT) IS NULL OR CAST(TRY_CAST(fields[3] AS BIGINT) AS STRING) <> fields[3]) THEN CONCAT('bad_type|event_time: ''', SUBSTRING(fields[3] FROM 1 FOR 80), ''' is no timestamptz')
    WHEN fields[8] IS NOT NULL AND (TRY_CAST(fields[8] AS BIGINT) IS NULL OR CAST(TRY_CAST(fields[8] AS BIGINT) AS STRING) <> fields[8]) THEN CONCAT('bad_type|quantity: ''', SUBSTRING(fields[8] FROM 1 FOR 80), ''' is no long')
    WHEN fields[9] IS NOT NULL AND CASE WHEN CHAR_LENGTH(fields[9]) <= 40 AND NOT REGEXP(fields[9], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields[9] AS DECIMAL(18,2)) END IS NULL THEN CONCAT('bad_type|price: ''', SUBSTRING(fields[9] FROM 1 FOR 80), ''' is no decimal(18,2)')
    WHEN fields[16] IS NOT NULL AND CASE WHEN CHAR_LENGTH(fields[16]) <= 40 AND NOT REGEXP(fields[16], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields[16] AS DOUBLE) END IS NULL THEN CONCAT('bad_type|latitude: ''', SUBSTRING(fields[16] FROM 1 FOR 80), ''' is no double')
    WHEN fields[17] IS NOT NULL AND CASE WHEN CHAR_LENGTH(fields[17]) <= 40 AND NOT REGEXP(fields[17], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields[17] AS DOUBLE) END IS NULL THEN CONCAT('bad_type|longitude: ''', SUBSTRING(fields[17] FROM 1 FOR 80), ''' is no double')
    WHEN fields[22] IS NOT NULL AND (TRY_CAST(fields[22] AS INT) IS NULL OR CAST(TRY_CAST(fields[22] AS INT) AS STRING) <> fields[22]) THEN CONCAT('bad_type|schema_version: ''', SUBSTRING(fields[22] FROM 1 FOR 80), ''' is no int')
    WHEN CHAR_LENGTH(fields[1]) > 128 THEN CONCAT('bad_value|event_id: ''', SUBSTRING(fields[1] FROM 1 FOR 80), ''' is longer than 128')
    WHEN fields[2] NOT IN ('page_view', 'view_item', 'search', 'add_to_cart', 'remove_from_cart', 'begin_checkout', 'purchase', 'refund', 'payment_failed', 'login', 'login_failed', 'profile_change', 'coupon_apply', 'recommendation_impression', 'recommendation_click') THEN CONCAT('bad_value|event_type: ''', SUBSTRING(fields[2] FROM 1 FOR 80), ''' is none of its choices')
    WHEN CHAR_LENGTH(fields[4]) > 128 THEN CONCAT('bad_value|user_id: ''', SUBSTRING(fields[4] FROM 1 FOR 80), ''' is longer than 128')
    WHEN CHAR_LENGTH(fields[5]) > 128 THEN CONCAT('bad_value|session_id: ''', SUBSTRING(fields[5] FROM 1 FOR 80), ''' is longer than 128')
    WHEN CHAR_LENGTH(fields[6]) > 128 THEN CONCAT('bad_value|device_id: ''', SUBSTRING(fields[6] FROM 1 FOR 80), ''' is longer than 128')
    WHEN CHAR_LENGTH(fields[7]) > 128 THEN CONCAT('bad_value|product_id: ''', SUBSTRING(fields[7] FROM 1 FOR 80), ''' is longer than 128')
    WHEN TRY_CAST(fields[8] AS BIGINT) NOT BETWEEN 0 AND 10000 THEN CONCAT('bad_value|quantity: ''', SUBSTRING(fields[8] FROM 1 FOR 80), ''' is not from 0 to 10000')
    WHEN CASE WHEN CHAR_LENGTH(fields[9]) <= 40 AND NOT REGEXP(fields[9], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields[9] AS DECIMAL(18,2)) END NOT BETWEEN 0 AND 1000000000 THEN CONCAT('bad_value|price: ''', SUBSTRING(fields[9] FROM 1 FOR 80), ''' is not from 0 to 1000000000')
    WHEN REGEXP(fields[9], '[.][0-9]{3}|[eE]') AND CASE WHEN CHAR_LENGTH(fields[9]) <= 40 AND NOT REGEXP(fields[9], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields[9] AS DECIMAL(22,6)) END <> CASE WHEN CHAR_LENGTH(fields[9]) <= 40 AND NOT REGEXP(fields[9], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields[9] AS DECIMAL(18,2)) END THEN CONCAT('bad_value|price: ''', SUBSTRING(fields[9] FROM 1 FOR 80), ''' has more than 2 decimals')
    WHEN CHAR_LENGTH(fields[10]) > 3 THEN CONCAT('bad_value|currency: ''', SUBSTRING(fields[10] FROM 1 FOR 80), ''' is longer than 3')
    WHEN CHAR_LENGTH(fields[11]) > 128 THEN CONCAT('bad_value|order_id: ''', SUBSTRING(fields[11] FROM 1 FOR 80), ''' is longer than 128')
    WHEN CHAR_LENGTH(fields[12]) > 128 THEN CONCAT('bad_value|payment_token: ''', SUBSTRING(fields[12] FROM 1 FOR 80), ''' is longer than 128')
    WHEN CHAR_LENGTH(fields[13]) > 128 THEN CONCAT('bad_value|coupon: ''', SUBSTRING(fields[13] FROM 1 FOR 80), ''' is longer than 128')
    WHEN CHAR_LENGTH(fields[14]) > 128 THEN CONCAT('bad_value|ip_hash: ''', SUBSTRING(fields[14] FROM 1 FOR 80), ''' is longer than 128')
    WHEN CHAR_LENGTH(fields[15]) > 2 THEN CONCAT('bad_value|country: ''', SUBSTRING(fields[15] FROM 1 FOR 80), ''' is longer than 2')
    WHEN CASE WHEN CHAR_LENGTH(fields[16]) <= 40 AND NOT REGEXP(fields[16], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields[16] AS DOUBLE) END NOT BETWEEN -90 AND 90 THEN CONCAT('bad_value|latitude: ''', SUBSTRING(fields[16] FROM 1 FOR 80), ''' is not from -90 to 90')
    WHEN CASE WHEN CHAR_LENGTH(fields[17]) <= 40 AND NOT REGEXP(fields[17], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields[17] AS DOUBLE) END NOT BETWEEN -180 AND 180 THEN CONCAT('bad_value|longitude: ''', SUBSTRING(fields[17] FROM 1 FOR 80), ''' is not from -180 to 180')
    WHEN CHAR_LENGTH(fields[18]) > 4096 THEN CONCAT('bad_value|user_agent: ''', SUBSTRING(fields[18] FROM 1 FOR 80), ''' is longer than 4096')
    WHEN CHAR_LENGTH(fields[19]) > 4096 THEN CONCAT('bad_value|referrer: ''', SUBSTRING(fields[19] FROM 1 FOR 80), ''' is longer than 4096')
    WHEN CHAR_LENGTH(fields[20]) > 4096 THEN CONCAT('bad_value|search_query: ''', SUBSTRING(fields[20] FROM 1 FOR 80), ''' is longer than 4096')
    WHEN CHAR_LENGTH(fields[21]) > 128 THEN CONCAT('bad_value|release: ''', SUBSTRING(fields[21] FROM 1 FOR 80), ''' is longer than 128')
    WHEN TRY_CAST(fields[22] AS INT) < 1 THEN CONCAT('bad_value|schema_version: ''', SUBSTRING(fields[22] FROM 1 FOR 80), ''' is below 1')
    WHEN CHAR_LENGTH(fields[23]) > 128 THEN CONCAT('bad_value|producer: ''', SUBSTRING(fields[23] FROM 1 FOR 80), ''' is longer than 128')
    WHEN TRY_CAST(fields[3] AS BIGINT) NOT BETWEEN 946684800000 AND 253402300799999 OR TO_TIMESTAMP_LTZ(TRY_CAST(fields[3] AS BIGINT), 3) > TIMESTAMPADD(MINUTE, 1440, ingested_at) THEN CONCAT('time_out_of_range|event_time: ''', SUBSTRING(fields[3] FROM 1 FOR 80), ''' is too far from its arrival')
  END AS problem
FROM parsed;

-- grain: one row per valid Kafka record; partitioned by day(ingested_at), which a job reads when it starts
INSERT INTO lake.`raw`.`clicks` (
  `event_id`,
  `event_type`,
  `event_time`,
  `user_id`,
  `session_id`,
  `device_id`,
  `product_id`,
  `quantity`,
  `price`,
  `currency`,
  `order_id`,
  `payment_token`,
  `coupon`,
  `ip_hash`,
  `country`,
  `latitude`,
  `longitude`,
  `user_agent`,
  `referrer`,
  `search_query`,
  `release`,
  `schema_version`,
  `producer`,
  kafka_partition, kafka_offset, ingested_at
)
SELECT
  `event_id`,
  `event_type`,
  `event_time`,
  `user_id`,
  `session_id`,
  `device_id`,
  `product_id`,
  `quantity`,
  `price`,
  `currency`,
  `order_id`,
  `payment_token`,
  `coupon`,
  `ip_hash`,
  `country`,
  `latitude`,
  `longitude`,
  `user_agent`,
  `referrer`,
  `search_query`,
  `release`,
  `schema_version`,
  `producer`,
  kafka_partition, kafka_offset, CAST(ingested_at AS TIMESTAMP_LTZ(6))
FROM validated
WHERE problem IS NULL;

-- grain: one row per Kafka record that is no valid click; partitioned by day(ingested_at)
INSERT INTO lake.`raw`.`quarantine` (kafka_partition, kafka_offset, ingested_at, reason, detail, payload)
SELECT
  kafka_partition, kafka_offset, CAST(ingested_at AS TIMESTAMP_LTZ(6)),
  SPLIT_INDEX(problem, '|', 0),
  SUBSTRING(problem FROM POSITION('|' IN problem) + 1),
  payload
FROM validated
WHERE problem IS NOT NULL;
