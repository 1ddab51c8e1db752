"""Azure's own view of circuits and of Microsoft's edge routers: how it is read, from files and from Azure Resource Manager."""
