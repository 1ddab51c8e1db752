"""A minute of fuzzing, always with the same inputs; ``python -m tests.fuzz`` runs for hours."""

from __future__ import annotations

import os

import pytest

from tests.fuzz.running import TARGETS, run

SECONDS = float(os.environ.get("ERMON_FUZZ_SECONDS", "60")) / len(TARGETS)
"""Seconds for each target."""
SEED = int(os.environ.get("ERMON_FUZZ_SEED", "0"))


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_no_input_breaks_anything(target: str) -> None:
    broken = [str(each) for each in run(target, SEED, SECONDS) if each is not None]
    assert broken == []
