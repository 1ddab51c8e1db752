"""Files that are generated from the catalogue of checks and the models of files are up to date."""

from __future__ import annotations

import pytest

from tests.written import COMMAND, ROOT, WRITTEN


@pytest.mark.whole_catalogue
@pytest.mark.parametrize("file", WRITTEN)
def test_the_file_is_up_to_date(file: str):
    assert (ROOT / file).read_text() == WRITTEN[file](), f"write it anew: {COMMAND}"
