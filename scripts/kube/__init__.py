"""What the deploy scripts need beyond shell: waiting for workloads, and comparing requests with free capacity. Standard library only."""
