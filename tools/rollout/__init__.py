"""The rollout: changes of its pointer, and clients of Ray Serve that compare its variants and ask for recommendations."""
