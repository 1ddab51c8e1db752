import pytest

from tests.bench.history import Size, measure


def test_it_measures(capsys: pytest.CaptureFixture[str]) -> None:
    measure(Size(findings=30, days=3, links=2))
    output = capsys.readouterr().out
    for what in (
        "a day of long ago: median",
        "the loop was held",
        "on disk after",
        "of the first versions: opened",
    ):
        assert what in output
