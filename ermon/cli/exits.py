"""What the commands share: their exit codes and the daemon's address."""

from __future__ import annotations

import argparse
from typing import TypeAlias

FINE, WRONG, USAGE, UNREACHABLE, BUG = 0, 1, 2, 3, 70

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  # it has no public name

DEFAULT_LISTEN_ADDRESS = "127.0.0.1:10179"
