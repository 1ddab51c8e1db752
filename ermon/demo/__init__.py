"""``ermon demo``: a small company on loopback, and a bad day of it.

Its routers are real BGP speakers and ermon is the real ``ermon run``; what the demo knows of ermon's
opinion, it knows from ermon's API.
"""

from ermon.demo.run import run_demo

__all__ = ["run_demo"]
