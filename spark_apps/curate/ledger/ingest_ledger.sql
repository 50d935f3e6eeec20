-- grain: one row per run and Kafka partition
-- The published ledger and the rows of this run: each offset of its ranges holds an accepted event, a duplicate, a record in
-- quarantine or no record. An accepted event is late if its day was published before. Where a record of an earlier run is no
-- longer the first arrival of its event_id, it has become a duplicate: `accepted` of that run is corrected.
{% import "macros.sql" as macros %}
WITH published_days AS (
    SELECT DISTINCT event_day
    FROM {{ published('curated.events') }}
    WHERE {{ macros.on_days("event_day", new_days) }}
        AND event_day <= (SELECT max(day) FROM {{ published('curated.ingest_ledger') }})
), changes AS (
    SELECT kafka_partition, start_offset, sum(accepted) AS accepted FROM changed_acceptance GROUP BY kafka_partition, start_offset
), accepted AS (
    SELECT e.kafka_partition, count(*) AS accepted, count(d.event_day) AS late
    FROM {{ table('curated.events') }} AS e
    LEFT SEMI JOIN new_clicks AS n
        ON n.event_day = e.event_day AND n.kafka_partition = e.kafka_partition AND n.kafka_offset = e.kafka_offset
    LEFT JOIN published_days AS d ON d.event_day = e.event_day
    WHERE {{ macros.on_days("e.event_day", new_days) }}
    GROUP BY e.kafka_partition
), clicks AS (
    -- The stream may write a record twice: its offset counts once.
    SELECT kafka_partition, count(*) AS click_rows, count(DISTINCT kafka_offset) AS clicks FROM new_clicks GROUP BY kafka_partition
), new_quarantine AS (
    SELECT kafka_partition, kafka_offset
    FROM {{ table('raw.quarantine') }} JOIN offset_ranges USING (kafka_partition)
    WHERE kafka_offset >= {{ lowest_start | literal }} AND kafka_offset >= start_offset AND kafka_offset < end_offset
), quarantine AS (
    SELECT
        q.kafka_partition,
        count(*) AS quarantine_rows,
        count(DISTINCT CASE WHEN n.kafka_offset IS NULL THEN q.kafka_offset END) AS quarantined
    FROM new_quarantine AS q
    LEFT JOIN (SELECT DISTINCT kafka_partition, kafka_offset FROM new_clicks) AS n
        ON n.kafka_partition = q.kafka_partition AND n.kafka_offset = q.kafka_offset
    GROUP BY q.kafka_partition
), new_gaps AS (
    SELECT
        r.kafka_partition,
        g.reason,
        greatest(g.first_offset, r.start_offset) AS first_offset,
        least(g.end_offset, r.end_offset) AS end_offset
    FROM {{ table('landing.offset_gaps') }} AS g
    JOIN offset_ranges AS r ON r.kafka_partition = g.kafka_partition AND g.end_offset > r.start_offset AND g.first_offset < r.end_offset
), gaps_without_overlap AS (
    SELECT
        kafka_partition,
        end_offset - greatest(
            first_offset,
            coalesce(
                max(end_offset) OVER (
                    PARTITION BY kafka_partition ORDER BY first_offset, end_offset ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                ),
                first_offset
            )
        ) AS offsets
    FROM new_gaps
), gaps AS (
    SELECT kafka_partition, sum(greatest(offsets, 0)) AS gaps FROM gaps_without_overlap GROUP BY kafka_partition
), erased AS (
    -- Recorded once each, see tools/erasure.
    SELECT kafka_partition, sum(end_offset - first_offset) AS erased FROM new_gaps WHERE reason = 'erased' GROUP BY kafka_partition
), counts AS (
    SELECT
        r.kafka_partition,
        r.start_offset,
        r.end_offset,
        coalesce(a.accepted, 0) AS accepted,
        coalesce(a.late, 0) AS late,
        coalesce(c.clicks, 0) AS clicks,
        coalesce(q.quarantined, 0) AS quarantined,
        coalesce(c.click_rows, 0) + coalesce(q.quarantine_rows, 0) AS raw_rows,
        -- A record that the stream had read and not yet committed when Kafka deleted it is in the lake although its offset is a gap.
        least(coalesce(g.gaps, 0), r.end_offset - r.start_offset - coalesce(c.clicks, 0) - coalesce(q.quarantined, 0)) AS gaps,
        coalesce(x.erased, 0) AS erased
    FROM offset_ranges AS r
    LEFT JOIN accepted AS a ON a.kafka_partition = r.kafka_partition
    LEFT JOIN clicks AS c ON c.kafka_partition = r.kafka_partition
    LEFT JOIN quarantine AS q ON q.kafka_partition = r.kafka_partition
    LEFT JOIN gaps AS g ON g.kafka_partition = r.kafka_partition
    LEFT JOIN erased AS x ON x.kafka_partition = r.kafka_partition
    WHERE r.end_offset > r.start_offset
)
SELECT
    p.run,
    p.kafka_partition,
    p.day,
    p.start_offset,
    p.end_offset,
    p.accepted + coalesce(c.accepted, 0) AS accepted,
    p.duplicates - coalesce(c.accepted, 0) AS duplicates,
    p.quarantined,
    p.late,
    p.gaps,
    p.repeated,
    p.erased
FROM {{ published('curated.ingest_ledger') }} AS p
LEFT JOIN changes AS c ON c.kafka_partition = p.kafka_partition AND c.start_offset = p.start_offset
UNION ALL
SELECT
    {{ run | literal }} AS run,
    kafka_partition,
    {{ day | literal }} AS day,
    start_offset,
    end_offset,
    accepted,
    clicks - accepted AS duplicates,
    quarantined,
    late,
    gaps - least(gaps, erased) AS gaps,
    raw_rows - clicks - quarantined AS repeated,
    nullif(least(gaps, erased), 0) AS erased
FROM counts
