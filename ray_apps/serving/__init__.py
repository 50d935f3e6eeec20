"""Online serving of the recommender on Ray Serve: HTTP API, rollout router, user history from Kafka, variant metrics."""
