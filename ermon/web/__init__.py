"""The HTTP server: the API, the status page, metrics, runbooks."""
