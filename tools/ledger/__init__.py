"""The ledger: what a sender sent and the broker acknowledged, compared with what the lake holds."""
