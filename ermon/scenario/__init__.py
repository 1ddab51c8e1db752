"""Policy tests: scenarios written in YAML, played to the core in no time.

A scenario names a configuration, says what the routers send and when, and what must be raised, cleared and
not raised. ``run_scenarios`` is the command ``ermon test``.
"""

from ermon.scenario.run import run_scenarios

__all__ = ["run_scenarios"]
