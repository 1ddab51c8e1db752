"""asyncio without BGP: resolving names, work on threads, waiting longer after each failure."""
