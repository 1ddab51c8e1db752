"""``ermon demo``: a small company on loopback, and a day with faults.

Its routers are real BGP speakers, and ermon is the real ``ermon run``. The demo gets the findings from ermon's API.
"""

from ermon.demo.run import run_demo

__all__ = ["run_demo"]
