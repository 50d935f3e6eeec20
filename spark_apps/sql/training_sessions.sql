-- The sessions that began on a day of the window, as the products they viewed. Their events may lie on the days after it.
WITH viewed AS (
    SELECT s.session_id, s.session_day, s.started_at, e.event_time, e.ingested_at, e.kafka_partition, e.kafka_offset, e.product_id
    FROM {curated.sessions} AS s
    JOIN {curated.events} AS e
        ON e.session_id = s.session_id AND e.event_time BETWEEN s.started_at AND s.ended_at
    WHERE s.session_day BETWEEN {since} AND {until}
        AND e.event_day >= {since}
        AND e.event_type = 'view_item'
        AND e.product_id IS NOT NULL
), sequences AS (
    SELECT
        session_id,
        session_day,
        started_at,
        -- Views of one instant stand in the order of their arrival, so that the sequence is the same each time.
        sort_array(collect_list(struct(event_time, ingested_at, kafka_partition, kafka_offset, product_id))) AS views
    FROM viewed
    GROUP BY session_id, session_day, started_at
)
SELECT session_id, session_day AS event_day, started_at, transform(views, view -> view.product_id) AS items
FROM sequences
WHERE size(views) >= 2
