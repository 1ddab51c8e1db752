"""The web application: the API, the status page, metrics and runbooks."""
