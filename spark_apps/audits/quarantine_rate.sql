-- severity: error
-- meaning: more than 100 records of this run are in quarantine, and more than 1 % of its records
-- owner: stream
SELECT run, sum(end_offset - start_offset) AS records, sum(quarantined) AS quarantined
FROM {{ table('curated.ingest_ledger') }}
LEFT ANTI JOIN {{ published('curated.ingest_ledger') }} USING (kafka_partition, start_offset)
GROUP BY run
HAVING sum(quarantined) > 100 AND sum(quarantined) * 100 > sum(end_offset - start_offset)
