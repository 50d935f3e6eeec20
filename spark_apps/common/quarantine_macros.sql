{# The common table expressions `new_offsets`, `new_quarantine` and `accepted` of the audits of raw.quarantine. #}

{# new_offsets: the offset ranges of this run. new_quarantine: its records in quarantine, with what their payload says, also if it
   is no JSON. accepted: those that a decision accepts. `table` and `published` are the functions of the template,
   `lowest_start` is its value. #}
{% macro new_quarantine(table, published, lowest_start) -%}
new_offsets AS (
    SELECT run, kafka_partition, start_offset, end_offset
    FROM {{ table('curated.ingest_ledger') }}
    LEFT ANTI JOIN {{ published('curated.ingest_ledger') }} USING (kafka_partition, start_offset)
), payload_texts AS (
    SELECT q.kafka_partition, q.kafka_offset, q.reason, coalesce(left(CAST(q.payload AS STRING), 4096), '') AS text
    FROM {{ table('raw.quarantine') }} AS q
    JOIN new_offsets AS o
        ON o.kafka_partition = q.kafka_partition AND q.kafka_offset >= o.start_offset AND q.kafka_offset < o.end_offset
    -- The lowest start of all partitions is a constant, with which Iceberg skips older files.
    WHERE q.kafka_offset >= {{ lowest_start | literal }}
), new_quarantine AS (
    SELECT DISTINCT
        kafka_partition,
        kafka_offset,
        reason,
        regexp_extract(text, r'"event_type"\s*:\s*"([^"]{1,128})"', 1) AS event_type,
        regexp_extract(text, r'"producer"\s*:\s*"([^"]{1,128})"', 1) AS producer
    FROM payload_texts
), accepted AS (
    SELECT DISTINCT q.kafka_partition, q.kafka_offset, d.decision_id, d.reason, d.decided_by
    FROM new_quarantine AS q
    JOIN {{ table('landing.quarantine_decisions') }} AS d
        ON d.kafka_partition = q.kafka_partition AND q.kafka_offset >= d.start_offset AND q.kafka_offset < d.end_offset
            AND (d.quarantine_reason IS NULL OR d.quarantine_reason = q.reason)
            AND (d.event_type IS NULL OR d.event_type = q.event_type)
            AND (d.producer IS NULL OR d.producer = q.producer)
)
{%- endmacro %}
