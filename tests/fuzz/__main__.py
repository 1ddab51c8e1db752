"""Runs the fuzzers manually; see the docstring of the package."""

# ruff: noqa: T201 - it prints

from __future__ import annotations

import argparse
import sys

import structlog

from tests import fuzz
from tests.fuzz.running import TARGETS, attempt, run


def main() -> int:
    parser = argparse.ArgumentParser(
        description=fuzz.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)} (default: all)"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the inputs (default: 0)")
    parser.add_argument("--count", type=int, help="how many inputs for each target, however long they take")
    parser.add_argument("--only", type=int, help="the number of the one input to try")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    targets = options.targets or list(TARGETS)
    broken = 0
    for name in targets:
        if options.only is not None:
            results = iter([attempt(name, options.seed, options.only)])
        else:
            results = run(name, options.seed, options.seconds / len(targets), options.count)
        count = 0
        for result in results:
            count += 1
            if result is not None:
                broken += 1
                print(result, flush=True)
        print(f"{name}: {count} inputs", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
