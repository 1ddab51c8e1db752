"""Azure Resource Manager: how ermon asks it, and what its answers say of circuits and of Microsoft's edge routers."""
