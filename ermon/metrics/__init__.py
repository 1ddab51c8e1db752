"""What Prometheus scrapes: the state of the network, and of the process itself."""
