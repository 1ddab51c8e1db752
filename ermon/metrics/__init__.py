"""The metrics for Prometheus: the state of the network, and of ermon itself."""
