"""The parts of BGP that decoders need, from its RFCs: pure, and without a session."""
