"""Starts ``ermon`` as the demo's child: ``launch.py PARENT_PID ARGUMENTS``. It ends when the demo ends."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path


def main() -> None:
    sys.path.append(str(Path(__file__).parents[2]))  # the folder of this ermon, installed or not
    from ermon.exabgp.launch import die_with  # noqa: PLC0415

    die_with(int(sys.argv.pop(1)))
    runpy.run_module("ermon", run_name="__main__")


if __name__ == "__main__":
    main()
