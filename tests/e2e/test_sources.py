"""Published lists as the expectation of a running daemon."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from tests.e2e.company import Company, configuration, own_network

LABEL = "bgp-communities:communities.json[12076:5010]"


def published(*prefixes: str) -> str:
    """Return a list of BGP communities as the Azure CLI prints it."""
    community = {
        "communityName": "Exchange",
        "communityValue": "12076:5010",
        "communityPrefixes": list(prefixes),
        "isAuthorizedToUse": True,
        "serviceGroup": "O365",
        "serviceSupportedRegion": "Global",
    }
    return json.dumps([{"name": "Exchange", "serviceName": "Exchange", "bgpCommunities": [community]}])


def expecting_published_lists() -> dict:
    settings = configuration(own_network())
    source = {"kind": "bgp-communities", "from": "communities.json", "select": ["12076:5010"]}
    for circuit in settings["circuits"].values():
        circuit.setdefault("receive", {})["sources"] = [source]
    settings.setdefault("checks", {})["prefix-missing"] = {"raise_after": "0s", "clear_after": "0s"}
    return settings


def test_published_prefixes_are_expected_on_each_link(directory: Path) -> None:
    (directory / "communities.json").write_text(published("192.0.2.0/26", "192.0.2.128/26"))
    with Company(directory, expecting_published_lists()).started() as company:
        finding = company.daemon.wait_until_raised("prefix-missing", link="primary")
        assert finding["evidence"]["prefixes"] == ["192.0.2.128/26"]
        assert company.daemon.metric("ermon_source_age_seconds", source=LABEL) >= 0


def test_a_list_that_cannot_be_used_is_a_finding_and_stops_nothing(directory: Path) -> None:
    (directory / "communities.json").write_text("<html>please log in</html>")
    with Company(directory, expecting_published_lists()).started() as company:
        finding = company.daemon.wait_until_raised("source-rejected", source=LABEL)
        assert "problem" in finding["evidence"]
        assert company.daemon.findings("prefix-missing") == []


def test_a_restart_neither_clears_nor_raises_findings_about_a_list(directory: Path) -> None:
    file = directory / "communities.json"
    good = published("192.0.2.0/26")
    file.write_text(good)
    company = Company(directory, expecting_published_lists(), f"--storage.path={directory / 'state'}")
    with company.running():
        daemon = company.daemon
        file.write_text("<html>please log in</html>")
        daemon.send_signal(signal.SIGHUP)
        finding = daemon.wait_until_raised("source-rejected", source=LABEL)
        daemon.end(signal.SIGTERM)
        daemon.start()
        with daemon.listen() as story:
            daemon.wait_until(
                lambda: not daemon.findings("source-rejected")[0]["stale"], "the list is judged again"
            )
            daemon.wait_until_in_sync(*company.settings["feeds"])
            assert [one["id"] for one in daemon.findings("source-rejected")] == [finding["id"]]
            assert story.checks_raised() == set()
            file.write_text(good)
            daemon.send_signal(signal.SIGHUP)
            daemon.wait_until_cleared("source-rejected")
