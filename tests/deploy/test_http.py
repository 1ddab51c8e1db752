"""deploy/HTTP.md lists exactly what ermon serves."""

import re
from pathlib import Path

from ermon.api.schema import ENDPOINTS
from ermon.metrics import network, process

HTTP = (Path(__file__).parents[2] / "deploy" / "HTTP.md").read_text()


def test_it_lists_every_path_of_the_api_and_no_other():
    listed = set(re.findall(r"(?<=`)/api/[^\[?`]+", HTTP))
    streams = {"/api/v1/events", "/api/v1/recording"}  # not in the table of answers
    assert listed == {each.path for each in ENDPOINTS} - {"/api/v1/maintenance/{id}"} | streams


def test_the_metrics_that_it_names_are_ermon_s():
    named = set(re.findall(r"`(ermon_[a-z_]+)", HTTP))
    families = {each.name for each in vars(network).values() if isinstance(each, network.MetricFamily)}
    source = Path(process.__file__).read_text()
    assert len(named) >= 8
    assert {name for name in named if name not in families and f'"{name}"' not in source} == set()
