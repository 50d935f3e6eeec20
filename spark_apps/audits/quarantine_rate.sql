-- severity: error
-- meaning: this run found more than 1 % of its records in quarantine, and more than 100
-- owner: stream
SELECT run, sum(end_offset - start_offset) AS records, sum(quarantined) AS quarantined
FROM {curated.ingest_ledger}
LEFT ANTI JOIN {curated.ingest_ledger@published} USING (kafka_partition, start_offset)
GROUP BY run
HAVING sum(quarantined) > 100 AND sum(quarantined) * 100 > sum(end_offset - start_offset)
