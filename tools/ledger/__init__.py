"""The ledger: what was sent and acknowledged, and the check that the lake holds exactly that."""
