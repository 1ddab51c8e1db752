"""The Grafana dashboard on a real Prometheus, over the story of ``ermon demo``."""

from __future__ import annotations

import http.server
import math
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from tests import bgp
from tests.e2e.company import configuration, own_network
from tests.e2e.daemon import PATIENCE, Daemon, eventually
from tests.e2e.demo import HELD, running_demo
from tests.e2e.prometheus import Prometheus
from tests.e2e.test_sources import published
from tests.grafana import panels, queries, variables

UNKNOWN, UP, DOWN = 1, 2, 3
NO, YES = 2, 3
"""The numbers of the state timelines."""

Labels = frozenset[tuple[str, str]]


def labels(**values: str) -> Labels:
    return frozenset(values.items())


@dataclass(frozen=True, slots=True)
class Grafana:
    """Sends the queries that Grafana would send."""

    prometheus: Prometheus
    began: float
    """The beginning of the time range; it ends now."""

    def choices(self, variable: str, chosen: Mapping[str, str]) -> list[str]:
        """The choices of a variable, given the choices of those before it."""
        asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variables()[variable]["query"]["query"])
        assert asked, variable
        match = {"match[]": self._interpolated(asked[1], chosen), "start": self.began, "end": time.time()}
        found: list[str] = self.prometheus.api(f"label/{asked[2]}/values?{urlencode(match)}")
        return found

    def all_choices(self) -> dict[str, str]:
        """Every variable on *All*: its choices as one regular expression."""
        chosen: dict[str, str] = {}
        for name, variable in variables().items():
            if variable["type"] == "query":
                offered = [re.escape(choice).replace("\\", "\\\\") for choice in self.choices(name, chosen)]
                assert offered, f"the variable {name} offers nothing"
                chosen[name] = f"({'|'.join(offered)})"
        return chosen

    def ask(self, expr: str, chosen: Mapping[str, str]) -> dict[Labels, list[float]]:
        """The values of each series over the time range, by labels, without those that are not numbers."""
        asked = {
            "query": self._interpolated(expr, chosen),
            "start": self.began,
            "end": time.time(),
            "step": 1,
        }
        data = self.prometheus.api(f"query_range?{urlencode(asked)}")
        found = {
            frozenset(series["metric"].items()): [float(value) for _, value in series["values"]]
            for series in data["result"]
        }
        return {labels: values for labels, values in found.items() if not all(map(math.isnan, values))}

    def now(self, title: str, chosen: Mapping[str, str]) -> set[float]:
        """The result of the first query of a panel at the end of the time range."""
        return {values[-1] for values in self.ask(expr_of(title), chosen).values()}

    def _interpolated(self, expr: str, chosen: Mapping[str, str]) -> str:
        values = {
            "__interval": "1s",
            "__rate_interval": "4s",  # four times the scrape interval
            "__range": f"{math.ceil(time.time() - self.began)}s",
            **chosen,
        }
        return re.sub(r"\$\{?(\w+)\}?", lambda name: values[name[1]], expr)


def expr_of(title: str) -> str:
    """The first expression of a panel."""
    (panel,) = (panel for panel in panels() if panel["title"] == title)
    expr: str = panel["targets"][0]["expr"]
    return expr


@contextmanager
def ermon_that_sees_nothing(directory: Path) -> Iterator[Daemon]:
    """Run an ermon for the demo's circuit to which no router connects. It also has a receiver and a published list,
    which the demo lacks.
    """
    directory.mkdir()
    (directory / "communities.json").write_text(published("192.0.2.0/26"))
    settings = configuration(own_network())
    settings["alertmanager"] = {"urls": [f"http://127.0.0.1:{bgp.free_port('127.0.0.1')}"]}
    source = {"kind": "bgp-communities", "from": "communities.json", "select": ["12076:5010"]}
    settings["circuits"]["chicago"]["receive"]["sources"] = [source]
    with Daemon(directory, settings) as daemon:
        daemon.start()
        yield daemon


class Window(http.server.ThreadingHTTPServer):
    """Gives Prometheus the address of an ermon that is known only after Prometheus, which takes seconds, was started."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Pane)
        self.url = ""
        self.address = f"127.0.0.1:{self.server_port}"

    @contextmanager
    def open(self) -> Iterator[Window]:
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class _Pane(http.server.BaseHTTPRequestHandler):
    server: Window

    def do_GET(self) -> None:
        if not self.server.url:
            self.send_error(503)
            return
        with urlopen(self.server.url + self.path, timeout=PATIENCE) as answer:
            body = answer.read()
            self.send_response(200)
            self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_the_dashboard_shows_the_story_of_the_demo(directory: Path) -> None:
    with ExitStack() as stack:
        windows = [stack.enter_context(Window().open()) for _ in range(3)]
        *pair, third = windows  # two that see the same, and one that sees nothing
        prometheus = Prometheus(directory / "prometheus", [window.address for window in windows])
        stack.enter_context(prometheus.running())
        blind = stack.enter_context(ermon_that_sees_nothing(directory / "blind"))
        third.url = f"http://{blind.address}"
        prometheus.wait_until_scraped()
        grafana = Grafana(prometheus, time.time())
        demo = stack.enter_context(running_demo("--hold"))
        demo.read_until("ermon runs: ")
        for each in pair:
            each.url = demo.output.split()[-1]
        demo.read_until(HELD)

        instances = "|".join(each.address for each in pair)
        of_the_pair = {"job": "ermon", "instance": instances, "geo": "us", "circuit": "chicago"}
        eventually(
            lambda: (
                grafana.now("Raised findings by severity", of_the_pair) == {0}
                and grafana.now("Links", of_the_pair) == {UP}
            ),
            "Prometheus has seen the end of the story",
        )
        for chosen in (grafana.all_choices(), dict.fromkeys(of_the_pair, ".*")):
            missing = [where for where, expr in queries() if not grafana.ask(expr, chosen)]
            assert missing == [], "these find nothing"
        _a_pair_does_not_count_twice(grafana, of_the_pair)
        _the_story_is_told(grafana, of_the_pair)
        _the_story_is_told(grafana, of_the_pair | {"instance": ".*"})  # the third hides nothing


def _a_pair_does_not_count_twice(grafana: Grafana, pair: Mapping[str, str]) -> None:
    assert max(grafana.ask(expr_of("Links up"), pair)[labels(circuit="chicago", family="ipv4")]) == 2
    assert grafana.ask(expr_of("Raised findings by severity"), pair).keys() == {
        labels(severity=severity) for severity in ("critical", "warning", "info")
    }
    most = {
        dict(by)["severity"]: max(values)
        for by, values in grafana.ask(expr_of("Raised findings by severity"), pair).items()
    }
    assert most == {"critical": 2, "warning": 2, "info": 0}, "circuit-down and link-down, each IPv4 and IPv6"


def _the_story_is_told(grafana: Grafana, chosen: Mapping[str, str]) -> None:
    """Check the history of some series, without the time before the routers connected."""

    def history(title: str, **of: str) -> list[float]:
        values = grafana.ask(expr_of(title), chosen)[labels(**of)]
        return [value for value, _ in groupby(values)]

    for family in ("ipv4", "ipv6"):
        link = {"circuit": "chicago", "family": family}
        assert history("Circuits", **link)[-3:] == [UP, DOWN, UP]
        assert history("Links", **link, link="primary")[-5:] == [UP, DOWN, UP, UNKNOWN, UP]
        assert history("Links", **link, link="secondary")[-3:] == [UP, DOWN, UP]
        session = {**link, "link": "secondary", "router": "edge-2"}
        assert history("Sessions that routers report", **session)[-3:] == [UP, DOWN, UP]
        advertised = history("Pools advertised to Microsoft", **link, link="primary", pool="outbound")
        assert advertised[-3:] == [YES, NO, YES]
    leaked = {"pool": "outbound", "family": "ipv4", "feed": "edge-1-isp-a"}
    # The leak lasts for milliseconds, so a scrape may miss it; the finding lasts through its clear_after.
    assert history("Pools on the internet", **leaked)[-1] == NO
    assert labels(check="pool-leak", **leaked, uplink="isp-a") in grafana.ask(
        expr_of("Findings over time"), chosen
    )
    (annotation,) = (expr for where, expr in queries() if where.startswith("annotation"))
    marked = grafana.ask(annotation, chosen)
    assert labels(check="pool-leak", **leaked, uplink="isp-a") in marked
    assert labels(check="circuit-down", circuit="chicago", family="ipv6") in marked
    assert {value for values in marked.values() for value in values} == {1.0}, "what Grafana marks"
