"""ermon: a live BGP route monitor for companies that reach Microsoft over Azure ExpressRoute."""

__version__ = "0.1.0"
