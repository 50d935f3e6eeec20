-- Kafka clicks.v1 -> raw.clicks and raw.quarantine. {{...}} is filled from the contract and belongs to the definition;
-- ${...} is where the job runs, filled at its start.

CREATE TEMPORARY FUNCTION json_fields AS 'io.clickstream.JsonFields';

CREATE TEMPORARY TABLE records (
  payload BYTES,
  kafka_partition INT NOT NULL METADATA FROM 'partition' VIRTUAL,
  kafka_offset BIGINT NOT NULL METADATA FROM 'offset' VIRTUAL,
  ingested_at TIMESTAMP_LTZ(3) NOT NULL METADATA FROM 'timestamp' VIRTUAL
) WITH (
  'connector' = 'kafka',
  'topic' = 'clicks.v1',
  'properties.bootstrap.servers' = '${kafka_bootstrap}',
  'properties.group.id' = 'clicks_to_lake',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'raw'
);

-- The only place where JSON is read. A function call would be repeated for each use; a joined row is made once.
CREATE TEMPORARY VIEW parsed AS
SELECT kafka_partition, kafka_offset, ingested_at, payload, fields, nested, size
FROM records CROSS JOIN LATERAL TABLE(json_fields(payload, 1000000));

-- `problem` is NULL for a valid click, else 'reason|detail': the one verdict that both tables below ask.
CREATE TEMPORARY VIEW judged AS
SELECT
  kafka_partition, kafka_offset, ingested_at, payload,
  fields['event_id'] AS `event_id`,
  fields['event_type'] AS `event_type`,
  CASE WHEN TRY_CAST(fields['event_time'] AS BIGINT) BETWEEN 0 AND 253402300799999 THEN CAST(TO_TIMESTAMP_LTZ(TRY_CAST(fields['event_time'] AS BIGINT), 3) AS TIMESTAMP_LTZ(6)) END AS `event_time`,
  fields['user_id'] AS `user_id`,
  fields['session_id'] AS `session_id`,
  fields['device_id'] AS `device_id`,
  fields['product_id'] AS `product_id`,
  TRY_CAST(fields['quantity'] AS BIGINT) AS `quantity`,
  CASE WHEN CHAR_LENGTH(fields['price']) <= 40 AND NOT REGEXP(fields['price'], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields['price'] AS DECIMAL(18,2)) END AS `price`,
  fields['currency'] AS `currency`,
  fields['order_id'] AS `order_id`,
  fields['payment_token'] AS `payment_token`,
  fields['coupon'] AS `coupon`,
  fields['ip_hash'] AS `ip_hash`,
  fields['country'] AS `country`,
  CASE WHEN CHAR_LENGTH(fields['latitude']) <= 40 AND NOT REGEXP(fields['latitude'], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields['latitude'] AS DOUBLE) END AS `latitude`,
  CASE WHEN CHAR_LENGTH(fields['longitude']) <= 40 AND NOT REGEXP(fields['longitude'], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields['longitude'] AS DOUBLE) END AS `longitude`,
  fields['user_agent'] AS `user_agent`,
  fields['referrer'] AS `referrer`,
  fields['search_query'] AS `search_query`,
  fields['release'] AS `release`,
  TRY_CAST(fields['schema_version'] AS INT) AS `schema_version`,
  CASE
    WHEN size > 1000000 THEN CONCAT('too_large|', CAST(size AS STRING), ' bytes')
    WHEN payload IS NULL THEN 'not_json|no value'
    WHEN fields IS NULL THEN 'not_json|not one JSON object in UTF-8 with unique names'
    WHEN fields['schema_version'] <> '1' THEN CONCAT('unknown_version|schema_version: ''', SUBSTRING(fields['schema_version'] FROM 1 FOR 80), ''' is not 1')
    WHEN fields['event_id'] IS NULL OR fields['event_id'] = '' THEN 'missing_field|event_id'
    WHEN fields['event_type'] IS NULL OR fields['event_type'] = '' THEN 'missing_field|event_type'
    WHEN fields['event_time'] IS NULL THEN 'missing_field|event_time'
    WHEN fields['session_id'] IS NULL OR fields['session_id'] = '' THEN 'missing_field|session_id'
    WHEN fields['schema_version'] IS NULL THEN 'missing_field|schema_version'
    WHEN nested IS NOT NULL AND COALESCE(nested['event_id'], nested['event_type'], nested['event_time'], nested['user_id'], nested['session_id'], nested['device_id'], nested['product_id'], nested['quantity'], nested['price'], nested['currency'], nested['order_id'], nested['payment_token'], nested['coupon'], nested['ip_hash'], nested['country'], nested['latitude'], nested['longitude'], nested['user_agent'], nested['referrer'], nested['search_query'], nested['release'], nested['schema_version']) IS NOT NULL THEN CONCAT('bad_type|', CASE WHEN nested['event_id'] IS NOT NULL THEN 'event_id' WHEN nested['event_type'] IS NOT NULL THEN 'event_type' WHEN nested['event_time'] IS NOT NULL THEN 'event_time' WHEN nested['user_id'] IS NOT NULL THEN 'user_id' WHEN nested['session_id'] IS NOT NULL THEN 'session_id' WHEN nested['device_id'] IS NOT NULL THEN 'device_id' WHEN nested['product_id'] IS NOT NULL THEN 'product_id' WHEN nested['quantity'] IS NOT NULL THEN 'quantity' WHEN nested['price'] IS NOT NULL THEN 'price' WHEN nested['currency'] IS NOT NULL THEN 'currency' WHEN nested['order_id'] IS NOT NULL THEN 'order_id' WHEN nested['payment_token'] IS NOT NULL THEN 'payment_token' WHEN nested['coupon'] IS NOT NULL THEN 'coupon' WHEN nested['ip_hash'] IS NOT NULL THEN 'ip_hash' WHEN nested['country'] IS NOT NULL THEN 'country' WHEN nested['latitude'] IS NOT NULL THEN 'latitude' WHEN nested['longitude'] IS NOT NULL THEN 'longitude' WHEN nested['user_agent'] IS NOT NULL THEN 'user_agent' WHEN nested['referrer'] IS NOT NULL THEN 'referrer' WHEN nested['search_query'] IS NOT NULL THEN 'search_query' WHEN nested['release'] IS NOT NULL THEN 'release' WHEN nested['schema_version'] IS NOT NULL THEN 'schema_version' END, ': an object or array is no single value')
    WHEN fields['event_time'] IS NOT NULL AND (TRY_CAST(fields['event_time'] AS BIGINT) IS NULL OR CAST(TRY_CAST(fields['event_time'] AS BIGINT) AS STRING) <> fields['event_time']) THEN CONCAT('bad_type|event_time: ''', SUBSTRING(fields['event_time'] FROM 1 FOR 80), ''' is no timestamptz')
    WHEN fields['quantity'] IS NOT NULL AND (TRY_CAST(fields['quantity'] AS BIGINT) IS NULL OR CAST(TRY_CAST(fields['quantity'] AS BIGINT) AS STRING) <> fields['quantity']) THEN CONCAT('bad_type|quantity: ''', SUBSTRING(fields['quantity'] FROM 1 FOR 80), ''' is no long')
    WHEN fields['price'] IS NOT NULL AND CASE WHEN CHAR_LENGTH(fields['price']) <= 40 AND NOT REGEXP(fields['price'], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields['price'] AS DECIMAL(18,2)) END IS NULL THEN CONCAT('bad_type|price: ''', SUBSTRING(fields['price'] FROM 1 FOR 80), ''' is no decimal(18,2)')
    WHEN fields['latitude'] IS NOT NULL AND CASE WHEN CHAR_LENGTH(fields['latitude']) <= 40 AND NOT REGEXP(fields['latitude'], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields['latitude'] AS DOUBLE) END IS NULL THEN CONCAT('bad_type|latitude: ''', SUBSTRING(fields['latitude'] FROM 1 FOR 80), ''' is no double')
    WHEN fields['longitude'] IS NOT NULL AND CASE WHEN CHAR_LENGTH(fields['longitude']) <= 40 AND NOT REGEXP(fields['longitude'], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields['longitude'] AS DOUBLE) END IS NULL THEN CONCAT('bad_type|longitude: ''', SUBSTRING(fields['longitude'] FROM 1 FOR 80), ''' is no double')
    WHEN fields['schema_version'] IS NOT NULL AND (TRY_CAST(fields['schema_version'] AS INT) IS NULL OR CAST(TRY_CAST(fields['schema_version'] AS INT) AS STRING) <> fields['schema_version']) THEN CONCAT('bad_type|schema_version: ''', SUBSTRING(fields['schema_version'] FROM 1 FOR 80), ''' is no int')
    WHEN CHAR_LENGTH(fields['event_id']) > 128 THEN CONCAT('bad_value|event_id: ''', SUBSTRING(fields['event_id'] FROM 1 FOR 80), ''' is longer than 128')
    WHEN fields['event_type'] NOT IN ('page_view', 'view_item', 'search', 'add_to_cart', 'remove_from_cart', 'begin_checkout', 'purchase', 'refund', 'payment_failed', 'login', 'login_failed', 'profile_change', 'coupon_apply', 'recommendation_impression', 'recommendation_click') THEN CONCAT('bad_value|event_type: ''', SUBSTRING(fields['event_type'] FROM 1 FOR 80), ''' is none of its choices')
    WHEN CHAR_LENGTH(fields['user_id']) > 128 THEN CONCAT('bad_value|user_id: ''', SUBSTRING(fields['user_id'] FROM 1 FOR 80), ''' is longer than 128')
    WHEN CHAR_LENGTH(fields['session_id']) > 128 THEN CONCAT('bad_value|session_id: ''', SUBSTRING(fields['session_id'] FROM 1 FOR 80), ''' is longer than 128')
    WHEN CHAR_LENGTH(fields['device_id']) > 128 THEN CONCAT('bad_value|device_id: ''', SUBSTRING(fields['device_id'] FROM 1 FOR 80), ''' is longer than 128')
    WHEN CHAR_LENGTH(fields['product_id']) > 128 THEN CONCAT('bad_value|product_id: ''', SUBSTRING(fields['product_id'] FROM 1 FOR 80), ''' is longer than 128')
    WHEN TRY_CAST(fields['quantity'] AS BIGINT) < 0 THEN CONCAT('bad_value|quantity: ''', SUBSTRING(fields['quantity'] FROM 1 FOR 80), ''' is below 0')
    WHEN TRY_CAST(fields['quantity'] AS BIGINT) > 1000000 THEN CONCAT('bad_value|quantity: ''', SUBSTRING(fields['quantity'] FROM 1 FOR 80), ''' is above 1000000')
    WHEN CASE WHEN CHAR_LENGTH(fields['price']) <= 40 AND NOT REGEXP(fields['price'], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields['price'] AS DECIMAL(18,2)) END < 0 THEN CONCAT('bad_value|price: ''', SUBSTRING(fields['price'] FROM 1 FOR 80), ''' is below 0')
    WHEN CASE WHEN CHAR_LENGTH(fields['price']) <= 40 AND NOT REGEXP(fields['price'], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields['price'] AS DECIMAL(18,2)) END > 1000000000 THEN CONCAT('bad_value|price: ''', SUBSTRING(fields['price'] FROM 1 FOR 80), ''' is above 1000000000')
    WHEN CHAR_LENGTH(fields['currency']) > 3 THEN CONCAT('bad_value|currency: ''', SUBSTRING(fields['currency'] FROM 1 FOR 80), ''' is longer than 3')
    WHEN CHAR_LENGTH(fields['order_id']) > 128 THEN CONCAT('bad_value|order_id: ''', SUBSTRING(fields['order_id'] FROM 1 FOR 80), ''' is longer than 128')
    WHEN CHAR_LENGTH(fields['payment_token']) > 128 THEN CONCAT('bad_value|payment_token: ''', SUBSTRING(fields['payment_token'] FROM 1 FOR 80), ''' is longer than 128')
    WHEN CHAR_LENGTH(fields['coupon']) > 128 THEN CONCAT('bad_value|coupon: ''', SUBSTRING(fields['coupon'] FROM 1 FOR 80), ''' is longer than 128')
    WHEN CHAR_LENGTH(fields['ip_hash']) > 128 THEN CONCAT('bad_value|ip_hash: ''', SUBSTRING(fields['ip_hash'] FROM 1 FOR 80), ''' is longer than 128')
    WHEN CHAR_LENGTH(fields['country']) > 2 THEN CONCAT('bad_value|country: ''', SUBSTRING(fields['country'] FROM 1 FOR 80), ''' is longer than 2')
    WHEN CASE WHEN CHAR_LENGTH(fields['latitude']) <= 40 AND NOT REGEXP(fields['latitude'], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields['latitude'] AS DOUBLE) END < -90 THEN CONCAT('bad_value|latitude: ''', SUBSTRING(fields['latitude'] FROM 1 FOR 80), ''' is below -90')
    WHEN CASE WHEN CHAR_LENGTH(fields['latitude']) <= 40 AND NOT REGEXP(fields['latitude'], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields['latitude'] AS DOUBLE) END > 90 THEN CONCAT('bad_value|latitude: ''', SUBSTRING(fields['latitude'] FROM 1 FOR 80), ''' is above 90')
    WHEN CASE WHEN CHAR_LENGTH(fields['longitude']) <= 40 AND NOT REGEXP(fields['longitude'], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields['longitude'] AS DOUBLE) END < -180 THEN CONCAT('bad_value|longitude: ''', SUBSTRING(fields['longitude'] FROM 1 FOR 80), ''' is below -180')
    WHEN CASE WHEN CHAR_LENGTH(fields['longitude']) <= 40 AND NOT REGEXP(fields['longitude'], '[^0-9.eE+-]|[eE].*[0-9]{3}') THEN TRY_CAST(fields['longitude'] AS DOUBLE) END > 180 THEN CONCAT('bad_value|longitude: ''', SUBSTRING(fields['longitude'] FROM 1 FOR 80), ''' is above 180')
    WHEN CHAR_LENGTH(fields['user_agent']) > 4096 THEN CONCAT('bad_value|user_agent: ''', SUBSTRING(fields['user_agent'] FROM 1 FOR 80), ''' is longer than 4096')
    WHEN CHAR_LENGTH(fields['referrer']) > 4096 THEN CONCAT('bad_value|referrer: ''', SUBSTRING(fields['referrer'] FROM 1 FOR 80), ''' is longer than 4096')
    WHEN CHAR_LENGTH(fields['search_query']) > 4096 THEN CONCAT('bad_value|search_query: ''', SUBSTRING(fields['search_query'] FROM 1 FOR 80), ''' is longer than 4096')
    WHEN CHAR_LENGTH(fields['release']) > 128 THEN CONCAT('bad_value|release: ''', SUBSTRING(fields['release'] FROM 1 FOR 80), ''' is longer than 128')
    WHEN TRY_CAST(fields['schema_version'] AS INT) < 1 THEN CONCAT('bad_value|schema_version: ''', SUBSTRING(fields['schema_version'] FROM 1 FOR 80), ''' is below 1')
    WHEN TRY_CAST(fields['event_time'] AS BIGINT) NOT BETWEEN 946684800000 AND 253402300799999 OR TO_TIMESTAMP_LTZ(TRY_CAST(fields['event_time'] AS BIGINT), 3) > TIMESTAMPADD(MINUTE, 1440, ingested_at) THEN CONCAT('time_out_of_range|event_time: ''', SUBSTRING(fields['event_time'] FROM 1 FOR 80), ''' is too far from its arrival')
  END AS problem
FROM parsed;

INSERT INTO lake.`raw`.`clicks` (`event_id`, `event_type`, `event_time`, `user_id`, `session_id`, `device_id`, `product_id`, `quantity`, `price`, `currency`, `order_id`, `payment_token`, `coupon`, `ip_hash`, `country`, `latitude`, `longitude`, `user_agent`, `referrer`, `search_query`, `release`, `schema_version`, kafka_partition, kafka_offset, ingested_at)
SELECT `event_id`, `event_type`, `event_time`, `user_id`, `session_id`, `device_id`, `product_id`, `quantity`, `price`, `currency`, `order_id`, `payment_token`, `coupon`, `ip_hash`, `country`, `latitude`, `longitude`, `user_agent`, `referrer`, `search_query`, `release`, `schema_version`, kafka_partition, kafka_offset, CAST(ingested_at AS TIMESTAMP_LTZ(6))
FROM judged
WHERE problem IS NULL;

INSERT INTO lake.`raw`.`quarantine` (kafka_partition, kafka_offset, ingested_at, reason, detail, payload)
SELECT
  kafka_partition, kafka_offset, CAST(ingested_at AS TIMESTAMP_LTZ(6)),
  SPLIT_INDEX(problem, '|', 0),
  SUBSTRING(problem FROM POSITION('|' IN problem) + 1),
  payload
FROM judged
WHERE problem IS NOT NULL;
