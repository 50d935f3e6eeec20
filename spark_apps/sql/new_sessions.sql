-- The sessions anew: of all events of the touched days, and of other days those that belong to an affected session.
WITH taken AS (
    SELECT e.*, struct(e.event_time, e.ingested_at, e.kafka_partition, e.kafka_offset) AS place
    FROM {curated.events} AS e
    LEFT JOIN affected_sessions AS a
        ON a.session_id = e.session_id AND e.event_time BETWEEN a.started_at AND a.ended_at
    WHERE e.event_day IN ({read_days}) AND (e.event_day IN ({days}) OR a.session_id IS NOT NULL)
), gaps AS (
    SELECT *, lag(event_time) OVER (PARTITION BY session_id ORDER BY place) AS time_before
    FROM taken
), numbered AS (
    SELECT
        *,
        sum(CASE WHEN time_before IS NULL OR event_time > time_before + INTERVAL 30 MINUTES THEN 1 ELSE 0 END)
            OVER (PARTITION BY session_id ORDER BY place ROWS UNBOUNDED PRECEDING) AS number
    FROM gaps
), grouped AS (
    SELECT
        session_id,
        min(event_time) AS started_at,
        max(event_time) AS ended_at,
        max_by(user_id, CASE WHEN user_id IS NOT NULL THEN place END) AS user_id,
        min_by(device_id, CASE WHEN device_id IS NOT NULL THEN place END) AS device_id,
        count(*) AS events,
        count_if(event_type = 'view_item') AS views,
        count_if(event_type = 'add_to_cart') AS carts,
        count_if(event_type = 'begin_checkout') AS checkouts,
        count_if(event_type = 'purchase') AS purchases,
        CAST(sum(CASE WHEN event_type = 'purchase' THEN coalesce(price, 0) * coalesce(quantity, 1) ELSE 0 END) AS DECIMAL(18, 2))
            AS revenue
    FROM numbered
    GROUP BY session_id, number
)
SELECT
    concat(session_id, '@', unix_millis(started_at)) AS session_key,
    session_id,
    CAST(started_at AS DATE) AS session_day,
    started_at,
    ended_at,
    user_id,
    device_id,
    events,
    views,
    carts,
    checkouts,
    purchases,
    revenue
FROM grouped
