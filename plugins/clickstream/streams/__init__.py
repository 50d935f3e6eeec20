"""Deployment of the Flink streams: the deployer and the job state that it reads and writes in the bucket."""
