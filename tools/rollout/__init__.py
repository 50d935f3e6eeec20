"""Model rollout: compare the variants that are served, and ask for recommendations."""
