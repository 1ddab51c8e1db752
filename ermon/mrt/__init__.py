"""MRT, the format in which BGP daemons and route collectors keep messages and tables (RFC 6396, RFC 8050): pure."""
