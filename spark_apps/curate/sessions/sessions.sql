-- grain: one row per session
-- The sessions of all events of the affected days and, on other days, of the events of an affected session.
{% import "macros.sql" as macros %}
WITH session_events AS (
    SELECT
        e.*,
        {{ macros.amount_of("e") }} AS event_amount,
        coalesce({{ macros.currency_of("e") }}, '') AS event_currency,
        struct(e.event_time, e.ingested_at, e.kafka_partition, e.kafka_offset) AS time_order,
        {{ macros.has_user("e") }} AS has_user,
        e.event_type = 'purchase' AND x.event_id IS NULL AS is_purchase
    FROM {{ table('curated.events') }} AS e
    LEFT JOIN affected_sessions AS a
        ON a.session_id = e.session_id AND e.event_time BETWEEN a.started_at AND a.ended_at
    -- A line that does not count is no purchase of the session.
    LEFT JOIN (
        SELECT event_id FROM {{ table('curated.order_lines') }} WHERE line_day IN ({{ read_days | literal }}) AND NOT counted
    ) AS x ON x.event_id = e.event_id
    WHERE e.event_day IN ({{ read_days | literal }}) AND (e.event_day IN ({{ days | literal }}) OR a.session_id IS NOT NULL)
), with_previous AS (
    SELECT *, lag(event_time) OVER (PARTITION BY session_id ORDER BY time_order) AS previous_time
    FROM session_events
), with_visit AS (
    SELECT
        *,
        max(CASE WHEN previous_time IS NULL OR event_time > previous_time + {{ session_pause }} THEN event_time END)
            OVER (PARTITION BY session_id ORDER BY time_order ROWS UNBOUNDED PRECEDING) AS visit_start
    FROM with_previous
), grouped AS (
    SELECT
        session_id,
        min(event_time) AS started_at,
        max(event_time) AS ended_at,
        max_by(user_id, CASE WHEN has_user THEN time_order END) AS user_id,
        min_by(device_id, CASE WHEN device_id IS NOT NULL THEN time_order END) AS device_id,
        count(*) AS events,
        count_if(event_type = 'view_item') AS views,
        count_if(event_type = 'add_to_cart') AS carts,
        count_if(event_type = 'begin_checkout') AS checkouts,
        count_if(is_purchase) AS purchases,
        count_if(event_type = 'refund') AS refunds,
        array_sort(
            collect_list(CASE WHEN is_purchase THEN struct(time_order, event_currency AS currency, coalesce(event_amount, 0) AS amount) END)
        ) AS purchase_list
    FROM with_visit
    GROUP BY session_id, visit_start, {{ macros.visit_part("visit_start", "event_time") }}
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
    aggregate(
        filter(purchase_list, purchase -> purchase.currency = get(purchase_list, 0).currency),
        CAST(0 AS DECIMAL(38, 2)),
        (total, purchase) -> CAST(total + purchase.amount AS DECIMAL(38, 2))
    ) AS revenue,
    get(purchase_list, 0).currency AS currency,
    nullif(CAST(size(array_distinct(transform(purchase_list, purchase -> purchase.currency))) AS BIGINT), 0) AS currencies,
    refunds
FROM grouped
