-- grain: one row per session with two or more product views
-- The sessions that begin on a day of the window, as the products viewed in them; their events may lie on later days.
-- Without deleted products: the recommender and item_neighbours know only products of these sessions.
{% import "macros.sql" as macros %}
WITH views AS (
    SELECT s.session_id, s.session_day, s.started_at, e.event_time, e.ingested_at, e.kafka_partition, e.kafka_offset, e.product_id
    FROM {{ table('curated.sessions') }} AS s
    JOIN {{ table('curated.events') }} AS e
        ON e.session_id = s.session_id AND e.event_time BETWEEN s.started_at AND s.ended_at
    LEFT ANTI JOIN ({{ macros.deleted_products(table) }}) AS d ON d.product_id = e.product_id
    WHERE s.session_day BETWEEN {{ since | literal }} AND {{ until | literal }}
        AND e.event_day >= {{ since | literal }}
        AND e.event_type = 'view_item'
        AND e.product_id IS NOT NULL
), sequences AS (
    SELECT
        session_id,
        session_day,
        started_at,
        -- Views of the same instant are in the order of their arrival, so the sequence is the same in each run.
        sort_array(collect_list(struct(event_time, ingested_at, kafka_partition, kafka_offset, product_id))) AS views
    FROM views
    GROUP BY session_id, session_day, started_at
)
SELECT session_id, session_day AS event_day, started_at, transform(views, view -> view.product_id) AS items
FROM sequences
WHERE size(views) >= 2
