-- grain: one row per valid event of the file, as in raw.clicks
SELECT
  event_id, event_type, make_timestamptz(event_time * 1000) AS event_time, user_id, session_id, device_id, product_id,
  quantity, price, currency, order_id, payment_token, coupon, ip_hash, country, latitude, longitude, user_agent, referrer,
  search_query, "release", schema_version, 0::INT AS kafka_partition, row_number() OVER () - 1 AS kafka_offset,
  make_timestamptz(event_time * 1000) AS ingested_at
FROM read_json('{{ file }}', format = 'newline_delimited', columns = {
  event_id: 'VARCHAR', event_type: 'VARCHAR', event_time: 'BIGINT', user_id: 'VARCHAR', session_id: 'VARCHAR',
  device_id: 'VARCHAR', product_id: 'VARCHAR', quantity: 'BIGINT', price: 'DECIMAL(18,2)', currency: 'VARCHAR',
  order_id: 'VARCHAR', payment_token: 'VARCHAR', coupon: 'VARCHAR', ip_hash: 'VARCHAR', country: 'VARCHAR',
  latitude: 'DOUBLE', longitude: 'DOUBLE', user_agent: 'VARCHAR', referrer: 'VARCHAR', search_query: 'VARCHAR',
  release: 'VARCHAR', schema_version: 'INT'
})
