"""Decoders of BGP messages, by the RFCs: pure, and without a session."""
