"""``ermon`` and ``python -m ermon``: argv in, exit code out."""

from __future__ import annotations

import sys

from ermon.cli import run


def main() -> None:
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
