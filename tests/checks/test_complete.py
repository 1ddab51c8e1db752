"""Runs before all other tests: reports in one message what a check lacks, and where it belongs."""

from __future__ import annotations

import pytest

from tests import complete


def test_the_catalogue_is_complete():
    found = complete.missing()
    lines = [line for name, pieces in found.items() for line in ("", name, *(f"  {p}" for p in pieces))]
    if lines:
        how = (
            ".github/CONTRIBUTING.md shows how a check is added; tests that need what is missing are skipped."
        )
        pytest.fail("\n".join(["The catalogue of checks is not complete.", *lines, "", how]), pytrace=False)
