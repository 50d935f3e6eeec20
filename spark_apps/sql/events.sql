-- The events of the days to compute, wholly from raw: the first arrival of each event_id with the versions valid at its time.
WITH clicks AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY event_id ORDER BY ingested_at, kafka_partition, kafka_offset) AS arrival
    FROM {raw.clicks}
    JOIN bounds USING (kafka_partition)
    WHERE kafka_offset < end_offset AND nessie.system.days(event_time) IN ({days})
)
SELECT
    c.*,
    CAST(c.event_time AS DATE) AS event_day,
    u.valid_from AS user_valid_from,
    u.country AS user_country,
    u.segment AS user_segment,
    p.valid_from AS product_valid_from,
    p.category AS product_category,
    p.brand AS product_brand,
    p.list_price AS product_list_price
FROM clicks AS c
LEFT ANTI JOIN rivals AS r ON r.event_id = c.event_id
LEFT JOIN {curated.users} AS u
    ON u.user_id = c.user_id AND c.event_time >= u.valid_from AND (u.valid_to IS NULL OR c.event_time < u.valid_to)
LEFT JOIN {curated.products} AS p
    ON p.product_id = c.product_id AND c.event_time >= p.valid_from AND (p.valid_to IS NULL OR c.event_time < p.valid_to)
WHERE c.arrival = 1
