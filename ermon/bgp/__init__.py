"""BGP as its RFCs have it, for whoever decodes it: pure, and without a session."""
