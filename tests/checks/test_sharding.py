"""Regions: the company in two instances on one file, Chicago's and Dallas'."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ermon import cli
from ermon.api.status import UplinkDoc
from ermon.checks.catalogue import subjects
from ermon.checks.sharding import Instance, NoFeedError, idle_globs, only_feeds
from ermon.config.lints import lint
from ermon.config.load import load_config
from ermon.config.secrets import read_secrets
from ermon.core.maintenance_book import MaintenanceBook, WindowError
from ermon.core.monitor import Monitor
from ermon.core.status import collect
from ermon.metrics.network import render_network, take_snapshot
from ermon.model.inventory import Config, View
from tests.checks.company import V4, V6, Company, Space, company
from tests.networks import (
    AMBIGUOUS,
    BOTH,
    EDGE,
    METRO_AND_PRIVATE,
    REPORTED,
    START,
    TWO_CIRCUITS,
    feed,
    window,
)
from tests.verify.acceptance import Run, put_to_the_test
from tests.web.site import status_of

CHICAGO = ("edge-1", "edge-2", "chicago-*", "isp-a")
DALLAS = ("edge-[34]", "dallas-*", "outside")
REFERENCE = Path(__file__).parents[2] / "config" / "ermon.reference.yml"

Found = set[tuple[str, tuple[tuple[str, str], ...]]]


def asked(config: Config) -> Found:
    return {(subject.check, subject.labels) for subject in subjects(config)}


def named(found: Iterable[tuple[str, tuple[tuple[str, str], ...]]]) -> set[str]:
    return {" ".join([check, *dict(labels).values()]) for check, labels in found}


@pytest.fixture(params=[V4, V6], ids=["ipv4", "ipv6"])
def space(request: pytest.FixtureRequest) -> Space:
    found: Space = request.param
    return found


def region(*globs: str, changes: tuple[str, ...] = ()) -> Company:
    """The instance of a region in its usual state."""
    return Company(only_feeds(company(*changes).config, globs)).converge()


# Which feeds -----------------------------------------------------------------------------------------


def test_an_instance_takes_the_feeds_that_any_glob_matches():
    config = only_feeds(company().config, ["edge-[12]", "chicago-*"])
    assert set(config.feeds) == {"edge-1", "edge-2", "chicago-primary", "chicago-secondary"}
    assert set(config.elsewhere) == {
        *("edge-3", "edge-4", "dallas-primary", "dallas-secondary", "isp-a", "outside")
    }


def test_without_globs_an_instance_takes_every_feed():
    config = company().config
    assert only_feeds(config, []) is config


@pytest.mark.parametrize("glob", ["EDGE-*", "edge", "tokyo-*"])
def test_globs_that_match_no_feed_are_refused_with_the_feeds_that_there_are(glob):
    with pytest.raises(NoFeedError, match=r"--feeds\.match=.* matches no feed; there are edge-1, edge-2, "):
        only_feeds(company().config, [glob])


def test_a_glob_that_matches_nothing_beside_others_that_do_is_reported():
    globs = ["edge-*", "egde-*", "dallas-*"]
    assert list(idle_globs(only_feeds(company().config, globs), globs)) == ["egde-*"]


def test_processes_without_a_feed_are_not_there():
    assert only_feeds(company().config, CHICAGO).processes == ("edges",)
    assert only_feeds(company().config, ["outside"]).processes == ("outside",)


def test_keys_of_feeds_elsewhere_are_not_read(tmp_path):
    keys = {name: {"md5_password_file": "edge-3.key"} for name in ("edge-3", "dallas-primary")}
    config = company(f"feeds: {keys}").config
    assert read_secrets(only_feeds(config, CHICAGO), tmp_path / "ermon.yml").md5 == {}


def test_published_lists_are_left_to_the_instances_that_judge_their_circuits():
    lists = "[{kind: m365, from: m365.json, refresh: 12h, select: [Exchange]}]"
    config = company(f"circuits: {{dallas: {{receive: {{sources: {lists}}}}}}}").config
    assert list(only_feeds(config, DALLAS).sources) == list(config.sources) != []
    assert list(only_feeds(config, CHICAGO).sources) == []


def test_missing_views_do_not_depend_on_the_region():
    loaded = load_config(REFERENCE)
    assert lint(loaded.of(Instance(("edge-1*",), "us")), START) == lint(loaded, START)


ABOUT_THE_INSTANCE = {"exabgp-down", "bmp-down", "sight-lost", "storage-failed"}


def test_findings_about_the_instance_itself_carry_its_region():
    for region in ("", "us"):
        found = {
            subject.check: dict(subject.labels).get("region", "")
            for config in (company().config, REPORTED)
            for subject in subjects(Instance(region=region).apply(config))
        }
        assert {check for check, label in found.items() if label} == (ABOUT_THE_INSTANCE if region else set())
        assert set(found.values()) == {"", region}


def test_a_part_of_the_feeds_without_a_region_is_a_likely_mistake():
    config = company().config
    [mistake] = Instance(("edge-1*",)).mistakes(config)
    assert mistake.startswith("--feeds.match without --region=NAME")
    assert list(Instance(("edge-1*",), "us").mistakes(config)) == []
    assert list(Instance().mistakes(config)) == []


@pytest.mark.parametrize(
    "command", [["run", f"--config.file={REFERENCE}"], ["render", "exabgp", str(REFERENCE)]]
)
def test_a_command_for_no_feed_ends_as_wrong_usage_and_says_which_feeds_there_are(command, capsys):
    assert cli.run([*command, "--feeds.match=edge-us-*"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("--feeds.match=edge-us-* matches no feed; there are edge-1, edge-2, edge-3, ")


def test_exabgp_is_configured_for_the_feeds_of_the_region_alone(capsys):
    assert cli.run(["render", "exabgp", str(REFERENCE), "--feeds.match=edge-3*", "--feeds.match=edge-2"]) == 0
    assert set(re.findall(r"neighbor (\S+)", capsys.readouterr().out)) == {"127.0.0.12", "127.0.0.13"}


# Which subjects --------------------------------------------------------------------------------------


def test_two_regions_judge_together_what_one_ermon_would_and_nothing_twice():
    config = company().config
    chicago, dallas = asked(only_feeds(config, CHICAGO)), asked(only_feeds(config, DALLAS))
    assert named(chicago & dallas) == {"exabgp-down edges", "storage-failed"}, "each has its own"
    assert named(asked(config) - chicago - dallas) == {
        "geo-not-redundant us microsoft",
        "mirror-disagrees outside",  # needs the mirrors of all uplinks
        *("internet-only-withdrawn ipv4", "internet-only-withdrawn ipv6"),  # needs the outside views too
        "sight-lost",  # with two routers each, the check does not exist
        *("pool-fallback dal ipv4 isp-a isp-a", "pool-fallback dal ipv6 isp-a isp-a"),
        *("pool-fallback chi ipv4 outside", "pool-fallback chi ipv6 outside"),
    }
    assert not (chicago | dallas) - asked(config)


@settings(max_examples=60, derandomize=True, database=None, deadline=None)
@given(st.data())
@pytest.mark.parametrize(
    "config",
    [TWO_CIRCUITS, METRO_AND_PRIVATE, AMBIGUOUS, load_config(REFERENCE).config],
    ids=["two circuits", "metro and private", "ambiguous", "reference"],
)
def test_an_instance_has_only_subjects_of_the_whole_and_more_feeds_never_remove_one(config, data):
    more = data.draw(st.sets(st.sampled_from(sorted(config.feeds)), min_size=1))
    fewer = data.draw(st.sets(st.sampled_from(sorted(more)), min_size=1))
    few, many = asked(only_feeds(config, fewer)), asked(only_feeds(config, more))
    assert few <= many <= asked(config)
    Monitor(only_feeds(config, fewer), START)  # every subject can be judged


@pytest.mark.parametrize("globs", [CHICAGO, DALLAS])
def test_on_a_good_day_an_instance_knows_all_and_finds_nothing(globs):
    net = region(*globs)
    for process in net.config.processes:
        net.process_up(process)
    net.wait(60)
    assert net.raised() == []
    assert {case.subject.check for case in net.monitor.statuses() if case.status.value == "unknown"} == set()


def test_a_link_is_judged_where_a_feed_that_can_decide_is():
    edges = [
        feed("all-1", EDGE, *BOTH, router="edge-1", add_path=True),
        feed("all-2", EDGE, *BOTH, router="edge-1", add_path=True),
        feed("best", EDGE, *BOTH, router="edge-1"),
    ]
    feeds = {f.name: f for f in (*edges, feed("edge-2", EDGE, *BOTH, router="edge-2", add_path=True))}
    whole = replace(TWO_CIRCUITS, feeds=feeds)
    link_down = "link-down chicago primary ipv4"
    assert link_down in named(asked(only_feeds(whole, ["all-1"])))
    assert link_down in named(asked(only_feeds(whole, ["all-2"])))
    assert link_down not in named(asked(only_feeds(whole, ["best"]))), "it would never be proven down"
    only_best = replace(
        whole, feeds={name: f for name, f in feeds.items() if not f.add_path or name == "edge-2"}
    )
    assert link_down in named(asked(only_feeds(only_best, ["best"]))), "there is nothing better"


def test_checks_of_both_links_have_no_subject_where_another_ermon_has_one_of_them():
    net = region("edge-1", "chicago-primary")
    assert net.subjects("link-down") == [
        {"circuit": "chicago", "link": "primary", "family": family} for family in BOTH
    ]
    for check in ("circuit-down", "circuit-unseen", "link-asymmetry", "advertised-asymmetry", "drain-both"):
        assert net.subjects(check) == [], check


def test_a_mirror_is_judged_where_it_is_even_if_the_link_is_judged_elsewhere():
    net = region("chicago-primary")
    labels = {"circuit": "chicago", "link": "primary", "family": "ipv4"}
    net.announce("chicago-primary", V4.dallas_pool, path="64500")
    assert net.status("pool-wrong-circuit", **labels) == "violated"


def test_a_segment_must_be_clean_on_every_feed_and_is_missing_only_if_all_are_asked():
    segment_feeds = [
        feed(name, View.SEGMENT, segment=name[:-2]) for name in ("dmz-1", "dmz-2", "campus-1", "campus-2")
    ]
    config = replace(TWO_CIRCUITS, feeds={f.name: f for f in segment_feeds})
    assert {"segment-leak dmz"} == {s for s in named(asked(only_feeds(config, ["*-1"]))) if "segment-" in s}
    assert "segment-missing campus" in named(asked(only_feeds(config, ["campus-*"])))


def test_a_blind_spot_is_reported_by_the_instance_that_watches_the_link():
    config = company("feeds: {dallas-primary: null}").config
    blind = "view-missing to-microsoft dallas primary"
    assert blind in named(asked(only_feeds(config, DALLAS)))
    assert blind not in named(asked(only_feeds(config, CHICAGO)))


def test_the_missing_view_of_an_unwatched_uplink_is_reported_by_every_instance():
    config = company("uplinks: {isp-b: {router: edge-3, asn: 64511}}").config
    for globs in (CHICAGO, DALLAS):
        assert "view-missing to-internet isp-b" in named(asked(only_feeds(config, globs)))


# What is found ---------------------------------------------------------------------------------------


def test_a_pool_of_one_region_is_recognised_on_an_uplink_of_another(space: Space):
    uplink_in_dallas = ("uplinks: {isp-b: {router: edge-3, asn: 64511}}", ISP_B)
    chicago, dallas = (region(*globs, changes=uplink_in_dallas) for globs in (CHICAGO, (*DALLAS, "isp-b")))
    dallas.announce("isp-b", space.pool_part, path="64500").wait(0)
    assert dallas.raised("pool-leak") == [f"pool-leak chi {space.family} isp-b isp-b"]
    assert chicago.raised("pool-leak") == []


ISP_B = (
    "feeds: {isp-b: {router: edge-3, view: to-internet, uplink: isp-b, peer: 127.0.0.13, local: 127.0.0.4, "
    "peer_asn: 64500, local_asn: 65011, families: [ipv4, ipv6]}}"
)


def test_a_pool_of_one_region_is_recognised_on_a_circuit_of_another(space: Space):
    chicago, dallas = region(*CHICAGO), region(*DALLAS)
    dallas.announce("dallas-primary", space.pool, path="64500").wait(0)
    assert dallas.raised("pool-wrong-circuit") == [f"pool-wrong-circuit dallas primary {space.family}"]
    assert chicago.raised() == []


def test_a_circuit_that_fails_is_found_where_it_is_watched(space: Space):
    chicago, dallas = region(*CHICAGO), region(*DALLAS)
    dallas.lose("dallas-primary", space.family).lose("dallas-secondary", space.family)
    assert dallas.wait(30).raised() == [f"circuit-down dallas {space.family}"]
    assert chicago.wait(30).raised() == []


def test_the_other_half_of_a_split_circuit_never_keeps_a_lost_link_quiet(space: Space):
    net = region("edge-1", "chicago-primary")
    net.lose("chicago-primary", space.family).wait(30)
    assert f"link-down chicago primary {space.family}" in net.raised()


def test_labels_and_ids_do_not_depend_on_the_instance(space: Space):
    """The instances of a pair have sessions of their own; the third has only a part of them."""
    other_addresses = {name: {"local": f"127.0.1.{n}"} for n, name in enumerate(company().config.feeds, 1)}
    instances = [company().converge(), company(f"feeds: {other_addresses}").converge(), region(*CHICAGO)]
    for net in instances:
        net.announce("isp-a", space.pool_part, path="64500").lose("chicago-primary", space.family).wait(60)
        assert net.raised() == [
            f"link-down chicago primary {space.family}",
            f"pool-leak chi {space.family} isp-a isp-a",
        ]
    first, second, third = (net.monitor.findings() for net in instances)
    assert first == second == third


# What is shown ---------------------------------------------------------------------------------------


def series(net: Company) -> dict[str, set[str]]:
    """By metric: the labels of its series, each set as one text."""
    text = "".join(render_network(take_snapshot(net.monitor, collect(net.monitor)), openmetrics=False))
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, labels = line.rpartition(" ")[0].partition("{")
            found.setdefault(name, set()).add(labels)
    return found


def test_two_regions_never_show_the_same_series_of_a_link_a_pool_or_a_feed():
    chicago, dallas, whole = (
        series(net) for net in (region(*CHICAGO), region(*DALLAS), company().converge())
    )
    for name, expected in whole.items():
        ours, theirs = chicago.get(name, set()), dallas.get(name, set())
        assert ours | theirs <= expected, name
        match name:
            case "ermon_circuit_info" | "ermon_circuit_links" | "ermon_metros_apart":
                assert ours == theirs == expected, f"{name} is what the file says"
            case "ermon_pool_addresses" | "ermon_pool_family_addresses":
                assert ours == theirs == expected, f"{name} is what the file says"
            case _ if name.startswith(
                ("ermon_feed", "ermon_link", "ermon_circuit", "ermon_pool", "ermon_maintenance")
            ):
                assert not ours & theirs, name
                assert ours | theirs == expected, name
            case _:
                assert name.startswith(("ermon_finding", "ermon_check")), name


def test_links_and_feeds_of_other_instances_are_shown_as_such():
    status = status_of(region(*CHICAGO))
    assert set(status.feeds) == {"edge-1", "edge-2", "chicago-primary", "chicago-secondary", "isp-a"}
    assert set(status.processes) == {"edges"}
    here, elsewhere = status.circuits["chicago"], status.circuits["dallas"]
    assert here.state == {"ipv4": "up", "ipv6": "up"}
    assert here.links["primary"].watched_elsewhere == ()
    assert elsewhere.state == elsewhere.links_up == {}
    link = elsewhere.links["primary"]
    assert link.watched_elsewhere == ("edge-table", "to-microsoft")
    assert link.state == link.advertised_prefixes == link.service_routes == {}
    assert link.draining == link.services == link.shown == {}
    assert here.links["primary"].draining == {"ipv4": False, "ipv6": False}
    assert status.uplinks == {"isp-a": UplinkDoc(router="edge-1", asn=64510)}
    assert status.pools["dal"].advertised == {family: {} for family in BOTH}, "nothing of it is seen here"


async def verified(circuit: str) -> Run:
    net = region(*CHICAGO)
    return await put_to_the_test(net.process_up().wait(60), circuit)


async def test_a_circuit_that_is_watched_here_is_accepted_here():
    run = await verified("chicago")
    assert (run.code, run.not_passed()) == (0, {})


async def test_a_circuit_that_is_watched_elsewhere_is_unknown_and_says_where_to_ask():
    run = await verified("dallas")
    assert run.code == 1
    assert set(run.not_passed("dallas").values()) == {"unknown"}
    assert run.problems("sessions", "dallas") == [
        f"unknown link {name} ({router}) is monitored by another ermon (--feeds.match)"
        for name, router in (("primary", "edge-3"), ("secondary", "edge-4"))
    ]
    problems = [problem for step in run.not_passed("dallas") for problem in run.problems(step, "dallas")]
    assert all(problem.endswith("monitored by another ermon (--feeds.match)") for problem in problems), (
        problems
    )


def test_a_maintenance_window_on_a_feed_elsewhere_is_refused_with_the_reason():
    book, config = MaintenanceBook(), only_feeds(company().config, CHICAGO)
    with pytest.raises(WindowError, match="another ermon takes it"):
        book.propose(window(0, 60, feed="edge-3"), config, START)


def test_a_change_of_regions_keeps_judged_findings_and_clears_others():
    net = region(*CHICAGO, *DALLAS)
    net.lose("chicago-primary", "ipv4").lose("dallas-primary", "ipv4").wait(60)
    net.reconfigure(only_feeds(company().config, CHICAGO)).wait(0)
    assert net.raised("link-down") == ["link-down chicago primary ipv4"]
    assert net.told("link-down")[-1].endswith("cleared link-down dallas primary ipv4")
