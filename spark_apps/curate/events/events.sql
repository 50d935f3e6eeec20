-- grain: one row per event_id
-- The events of the days to recompute, of those that are published and the clicks that have arrived: the first arrival of each
-- event_id, with the user and product versions valid at its time. An event_id that is published on another day is excluded.
{% import "formulas.sql" as formulas %}
{% import "macros.sql" as macros %}
WITH arrivals AS (
    SELECT {{ click_columns | join(", ") }}, 1 AS copy
    FROM {{ published('curated.events') }}
    WHERE event_day IN ({{ days | literal }})
    UNION ALL
    -- Before the published copy of the same record: a rebuild reads every click of its day again.
    SELECT {{ click_columns | join(", ") }}, 0
    FROM arrived_clicks
    WHERE CAST(event_time AS DATE) IN ({{ days | literal }})
), users AS (
    {{ macros.versions_of(table('curated.users'), ranges) }}
), products AS (
    {{ macros.versions_of(table('curated.products'), ranges) }}
), clicks AS (
    SELECT *, row_number() OVER (PARTITION BY event_id ORDER BY ingested_at, kafka_partition, kafka_offset, copy) AS arrival_number
    FROM arrivals
)
SELECT
    c.* EXCEPT (currency),
    {{ macros.currency_of("c") }} AS currency,
    CAST(c.event_time AS DATE) AS event_day,
    u.valid_from AS user_valid_from,
    u.country AS user_country,
    u.segment AS user_segment,
    p.valid_from AS product_valid_from,
    p.category AS product_category,
    p.brand AS product_brand,
    p.list_price AS product_list_price,
    CAST({{ formulas.amount("c.price", "c.quantity") }} AS DECIMAL(18, 2)) AS amount
FROM clicks AS c
LEFT ANTI JOIN published_duplicates AS d ON d.event_id = c.event_id
LEFT JOIN users AS u
    ON u.user_id = c.user_id AND c.event_time >= u.valid_from AND (u.valid_to IS NULL OR c.event_time < u.valid_to)
LEFT JOIN products AS p
    ON p.product_id = c.product_id AND c.event_time >= p.valid_from AND (p.valid_to IS NULL OR c.event_time < p.valid_to)
WHERE c.arrival_number = 1
