"""What routers report of their own BGP sessions: the BGP Monitoring Protocol."""
