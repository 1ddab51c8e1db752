"""Every file that `ermon init` writes loads, lacks no view, and raises nothing on a good day."""

from __future__ import annotations

import errno
import io
import itertools
from pathlib import Path

import pytest

from ermon import cli
from ermon.config.load import load_config
from ermon.init.run import InitError, init
from ermon.init.write import save
from ermon.model.inventory import InternetUse, Peering, View
from tests.init.drafts import (
    AMSTERDAM,
    AZURE,
    EXITS,
    LINKS,
    LINKS_4,
    LINKS_6,
    LONDON,
    flags,
    lints,
    raised_on_a_good_day,
    written,
)

ONE_PLACE = {"geo-one-location"}
"""A lint that every network with one circuit has."""

NETWORKS = [
    pytest.param((*AMSTERDAM, *LINKS_4, "--pool", "out=192.0.4.0/28", *EXITS), ONE_PLACE, id="ipv4"),
    pytest.param(
        (
            *(*AMSTERDAM, *LINKS_6, "--pool", "out=2a00:1::/64", "--own-prefix", "2a00:1::/32"),
            *("--uplink", "isp-a=border-1,174", "--uplink", "isp-b=border-2,3356"),
            *("--collector", "2a00:9::20", "--router", "edge-1=2a00:9::1"),
        ),
        ONE_PLACE,
        id="ipv6",
    ),
    pytest.param(
        (*AMSTERDAM, *LINKS, "--pool", "out=192.0.4.0/28,2a00:1::/64", *EXITS, "--own-prefix", "2a00:1::/32"),
        ONE_PLACE,
        id="dual-stack",
    ),
    pytest.param(
        (
            *(
                *AMSTERDAM,
                *LINKS_4,
                "--service",
                "exchange-online,sharepoint-online",
                "--pool",
                "ams-out=192.0.4.0/28",
            ),
            *(*LONDON, *EXITS, "--collector", "10.0.0.20", "--router", "edge-1=10.0.0.1"),
        ),
        set(),
        id="two circuits",
    ),
    pytest.param(
        (*AMSTERDAM, "--peering", "private", "--geo", "europe", *LINKS),
        ONE_PLACE,
        id="private peering",
    ),
    pytest.param(
        (
            *(*AMSTERDAM, "--link", "primary=e,192.0.3.0/30", "--link", "secondary=e,192.0.3.4/30"),
            *("--pool", "out=192.0.4.0/28", "--own-prefix", "192.0.4.0/24", "--uplink", "isp=e,174"),
        ),
        {*ONE_PLACE, "links-on-one-router", "uplinks-not-redundant"},
        id="one router for everything",
    ),
]


@pytest.mark.parametrize(("network", "expected"), NETWORKS)
def test_the_file_loads_and_its_lints_are_truths_about_the_network(tmp_path, network, expected):
    loaded = written(tmp_path, *network)
    assert loaded.warnings == ()
    assert lints(loaded) == expected


@pytest.mark.parametrize(("network", "_expected"), NETWORKS)
def test_a_good_day_on_it_is_quiet(tmp_path, network, _expected):
    written(tmp_path, *network)
    assert raised_on_a_good_day(tmp_path) == []


@pytest.mark.parametrize("file", ["microsoft.json", "both.json", "list.json"])
def test_a_good_day_on_what_azure_knows_misses_nothing_but_the_internet(tmp_path, file):
    loaded = written(tmp_path, azure=[file])
    assert lints(loaded) <= {"geo-one-location", "view-missing", "pool-shared"}
    missing = raised_on_a_good_day(tmp_path)
    assert missing == ["view-missing"]


def test_with_the_exits_said_it_misses_nothing(tmp_path):
    loaded = written(tmp_path, *EXITS, "--own-prefix", "2a00:1::/32", azure=["microsoft.json"])
    assert lints(loaded) == ONE_PLACE
    assert raised_on_a_good_day(tmp_path) == []


@pytest.mark.parametrize("links", [LINKS_4, LINKS_6], ids=["ipv4", "ipv6"])
def test_routers_with_bmp_report_their_sessions_to_a_port_that_the_file_opens(tmp_path, links):
    addresses = ("--collector", "2a00:1::20") if links is LINKS_6 else ("--collector", "10.0.0.20")
    loaded = written(
        tmp_path, *AMSTERDAM, *links, *EXITS, *addresses, "--bmp", "edge-1,edge-2", "--bmp", "border-2"
    )
    config = loaded.config
    family = "ipv6" if links is LINKS_6 else "ipv4"
    assert config.collector.bmp is not None
    assert config.collector.bmp.listen == ((addresses[1], 11019),)
    assert set(config.bmp) == {"edge-1", "edge-2", "border-2"}
    for name, router in config.bmp.items():
        assert router.peer in config.routers[name]
        assert str(router.peer) == config.feeds[f"{name}-isp-b" if name == "border-2" else name].peer
    assert config.feeds[f"edge-2/ams/secondary/{family}"].by_bmp
    assert config.feeds["border-2/isp-b/ipv4"].peer_asn == 3356
    assert loaded.warnings == ()
    text = (tmp_path / "ermon.yml").read_text()
    assert "#   ermon render router edge-1 --bmp --config.file=" in text


def test_a_good_day_of_routers_with_bmp_is_quiet(tmp_path):
    network = (
        *AMSTERDAM,
        *LINKS,
        "--pool",
        "out=192.0.4.0/28,2a00:1::/64",
        *EXITS,
        "--own-prefix",
        "2a00:1::/32",
    )
    written(tmp_path, *network, "--bmp", "edge-1,edge-2,border-1,border-2")
    assert raised_on_a_good_day(tmp_path) == []


def test_without_bmp_the_file_says_how_to_have_it(tmp_path):
    config = written(tmp_path, *AMSTERDAM, *LINKS_4).config
    assert (config.collector.bmp, config.bmp) == (None, {})
    assert '  # bmp: {listen: ["192.0.2.101:11019"]}' in (tmp_path / "ermon.yml").read_text()


def test_a_router_in_vrfs_connects_from_the_address_of_its_first_one(tmp_path):
    routers = ("--router", "edge-1/MICROSOFT=10.0.0.1", "--router", "edge-2/MICROSOFT=10.0.0.2")
    config = written(tmp_path, *AMSTERDAM, *LINKS_4, "--design", "vrfs", *routers, "--bmp", "edge-1").config
    assert str(config.bmp["edge-1"].peer) == "10.0.0.1"


def test_bmp_of_a_router_that_there_is_not_is_refused(tmp_path):
    with pytest.raises(
        InitError, match=r"^--bmp: core is the router of no link and no uplink; they are edge-1, edge-2"
    ):
        written(tmp_path, *AMSTERDAM, *LINKS_4, "--bmp", "core")
    assert list(tmp_path.iterdir()) == []


def test_behind_a_provider_no_router_can_report_sessions_with_microsoft(tmp_path, capsys):
    arguments = (*AMSTERDAM, *LINKS_4, "--design", "provider", "--provider", "64600", "--bmp", "edge-1")
    assert written(tmp_path, *arguments).config.bmp == {}


def test_every_view_of_a_router_has_a_local_address_of_its_own(tmp_path):
    config = written(tmp_path, *EXITS, azure=["both.json"]).config
    pairs = [(feed.peer, feed.local) for feed in config.feeds.values()]
    assert len(pairs) == len(set(pairs)) == 8
    assert {feed.local for feed in config.feeds.values() if feed.router == "edge-1"} == {
        "192.0.2.101",
        "192.0.2.102",
        "192.0.2.103",
    }


def test_proposed_addresses_make_way_for_those_that_were_said(tmp_path):
    config = written(
        tmp_path,
        *(*AMSTERDAM, *LINKS_4, "--router", "edge-2=192.0.2.1", "--collector", "192.0.2.2"),
    ).config
    assert {feed.peer for feed in config.feeds.values()} == {"192.0.2.3", "192.0.2.1"}
    assert {feed.local for feed in config.feeds.values()} == {"192.0.2.2", "192.0.2.4"}


def test_mirrors_have_an_asn_that_is_not_used_elsewhere(tmp_path):
    config = written(
        tmp_path,
        *(
            "--asn",
            "65010",
            *AMSTERDAM[2:],
            *LINKS_4,
            "--own-prefix",
            "192.0.4.0/24",
            "--uplink",
            "isp=b,65011",
        ),
    ).config
    asns = {feed.view: feed.local_asn for feed in config.feeds.values()}
    assert asns == {View.EDGE_TABLE: 65010, View.TO_MICROSOFT: 65012, View.TO_INTERNET: 65013}


def test_a_pool_inside_announced_space_may_be_covered_and_the_cover_is_the_canary(tmp_path):
    config = written(tmp_path, *AMSTERDAM, *LINKS_4, "--pool", "out=192.0.4.0/28", *EXITS).config
    assert config.pools["out"].internet is InternetUse.AGGREGATE
    assert [str(prefix) for prefix in config.feeds["border-1-isp-a"].canary] == ["192.0.4.0/24"]


def test_a_pool_that_nothing_covers_is_forbidden_on_the_internet_and_no_canary(tmp_path):
    config = written(
        tmp_path,
        *(*AMSTERDAM, *LINKS_4, "--pool", "out=192.0.4.0/24", *EXITS, "--own-prefix", "192.0.5.0/24"),
    ).config
    assert config.pools["out"].internet is InternetUse.FORBIDDEN
    assert [str(prefix) for prefix in config.feeds["border-1-isp-a"].canary] == ["192.0.5.0/24"]


# What is marked, and what is left alone --------------------------------------------------------------------


def test_proposed_values_are_marked_and_given_ones_are_not(tmp_path):
    written(tmp_path, *AMSTERDAM, *LINKS_4, "--router", "edge-1=10.0.0.1")
    text = (tmp_path / "ermon.yml").read_text()
    marked = [
        line.split()[0] for line in text.splitlines() if "# CHANGE" in line and not line.startswith("#")
    ]
    assert marked == ["edge-2:"]
    assert "# CHANGE: 10.0.0.2" not in text
    whole = ("--router", "edge-1=10.0.0.1", "--router", "edge-2=10.0.0.2", "--collector", "10.0.0.20")
    folder = tmp_path / "whole"
    folder.mkdir()
    written(folder, *AMSTERDAM, *LINKS_4, *whole)
    assert "CHANGE" not in (folder / "ermon.yml").read_text()


HOSTILE = [
    "true",
    "Null",
    "~",
    "12:30",
    "1e3",
    "- x",
    "a: b",
    "a #b",
    "x }, peering: private",
    '"',
    "'",
    "\\",
    "{{ x }}",
    "[",
    "*a",
    "&a",
    "!!python/object:os.system",
    "% x",
    "@x",
    "São Paulo",
    "Z\u00a0x",
    "\U0001f984\u200f",
    "\ufeffx",
    "\ufffe",
    "yes",
    "...",
    "---",
    "x" * 300,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_typed_values_are_written_unchanged(tmp_path, text):
    config = written(tmp_path, *AMSTERDAM[:4], "--location", text, "--geo", text, *LINKS_4).config
    assert (config.circuits["ams"].location, config.circuits["ams"].geo) == (text, text)


@pytest.mark.parametrize("name", ["true", "null", "64500", "1e3", "0x10", "1.5", "off", "x" * 63])
def test_names_stay_names(tmp_path, name):
    loaded = written(
        tmp_path,
        *("--asn", "3320", "--circuit", name, "--location", "Amsterdam", "--pool", f"{name}=192.0.4.0/28"),
        *("--link", f"primary={name},192.0.3.0/30", "--link", "secondary=other,192.0.3.4/30"),
        *("--own-prefix", "192.0.4.0/24", "--uplink", f"{name}={name},174"),
    )
    config = loaded.config
    assert list(config.circuits) == list(config.pools) == list(config.uplinks) == [name]
    assert config.circuits[name].links["primary"].router == name
    assert "view-missing" not in lints(loaded)


def test_a_line_break_is_refused_in_the_configurations_words(tmp_path):
    with pytest.raises(
        InitError, match=r"--geo: must be one line of text of at most 300 characters, not 'a\\nb'"
    ):
        written(tmp_path, *AMSTERDAM, "--geo", "a\nb", *LINKS_4)
    with pytest.raises(InitError, match="--geo: must be text in UTF-8"):
        written(tmp_path, *AMSTERDAM, "--geo", "a\udc80", *LINKS_4)


# The file itself -------------------------------------------------------------------------------------------


def test_the_file_is_private_and_no_other_is_left_beside_it(tmp_path):
    written(tmp_path, *AMSTERDAM, *LINKS_4)
    assert [path.name for path in tmp_path.iterdir()] == ["ermon.yml"]
    assert (tmp_path / "ermon.yml").stat().st_mode & 0o777 == 0o640


def test_it_never_overwrites(tmp_path):
    file = tmp_path / "ermon.yml"
    file.write_text("mine")
    with pytest.raises(InitError, match=r"ermon\.yml exists already; overwrite it with --force"):
        written(tmp_path, *AMSTERDAM, *LINKS_4)
    assert file.read_text() == "mine"


def test_it_overwrites_on_request(tmp_path, capsys):
    file = tmp_path / "ermon.yml"
    file.write_text("mine")
    code = cli.run(["init", str(file), "--force", "--azure", str(AZURE / "microsoft.json")])
    assert code == 0
    assert file.read_text().startswith("# yaml-language-server: $schema=file:///")
    assert capsys.readouterr().out.startswith(f"Wrote {file}. Next:\n")


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(InitError, match="No such file or directory"):
        written(tmp_path / "nowhere", *AMSTERDAM, *LINKS_4)


def test_standard_output_holds_the_configuration_and_nothing_else(tmp_path, capsys):
    assert cli.run(["init", "-", "--azure", str(AZURE / "microsoft.json")]) == 0
    out, err = capsys.readouterr()
    (tmp_path / "piped.yml").write_text(out)
    assert cli.run(["check", str(tmp_path / "piped.yml")]) == 1
    assert {line.split(": ")[3] for line in capsys.readouterr().out.splitlines()} == {
        "geo-one-location",
        "view-missing",
    }
    assert "  ermon render router edge-1 --config.file=ermon.yml --platform=" in err


def test_output_of_azures_tools_can_be_piped_in(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((AZURE / "list.json").read_bytes())))
    assert cli.run(["init", str(tmp_path / "ermon.yml"), "--azure", "-"]) == 0
    assert capsys.readouterr().out.startswith("Circuit er-ams, AzurePrivatePeering: left out")
    assert list(load_config(tmp_path / "ermon.yml").config.circuits) == ["er-ams", "er-lon"]


def test_a_disk_without_hard_links_is_good_enough(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    written(tmp_path, *AMSTERDAM, *LINKS_4)
    assert [path.name for path in tmp_path.iterdir()] == ["ermon.yml"]


def test_a_file_that_was_created_meanwhile_is_kept(tmp_path):
    file = tmp_path / "ermon.yml"
    file.symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        save("late", file, replace=False)
    assert [path.name for path in tmp_path.iterdir()] == ["ermon.yml"]


def test_a_usage_error_exits_with_2_and_its_place(tmp_path, capsys):
    assert cli.run(["init", str(tmp_path / "x.yml"), "--azure", str(tmp_path / "no.json")]) == 2
    assert capsys.readouterr().err == f"ermon: {tmp_path}/no.json: No such file or directory\n"


def test_answers_that_do_not_go_together_write_nothing(tmp_path):
    with pytest.raises(InitError, match=r"the answers contradict each other:\n.*of different families"):
        written(
            tmp_path,
            *(*AMSTERDAM, *LINKS_4, "--collector", "10.0.0.20", "--router", "edge-1=2a00:9::1"),
        )
    assert list(tmp_path.iterdir()) == []


def test_all_missing_values_are_reported_with_their_flags(tmp_path):
    with pytest.raises(InitError) as caught:
        written(tmp_path, "--circuit", "ams", "--uplink", "isp-a=border-1,174")
    assert [line.partition(":")[2].split(":")[0].strip() for line in str(caught.value).splitlines()] == [
        "--asn ASN",
        "--location LOCATION",
        "--geo GEO",
        "--link primary=ROUTER,SUBNET",
        "--link secondary=ROUTER,SUBNET",
        "--own-prefix PREFIX",
    ]


def test_private_and_microsoft_peering_of_one_circuit_share_their_routers(tmp_path):
    config = written(tmp_path, azure=["both.json"]).config
    assert {name: circuit.peering for name, circuit in config.circuits.items()} == {
        "MyCircuit-private": Peering.PRIVATE,
        "MyCircuit": Peering.MICROSOFT,
    }
    routers = [[link.router for link in circuit.links.values()] for circuit in config.circuits.values()]
    assert routers == [["edge-1", "edge-2"]] * 2


def test_the_schema_that_the_file_names_is_there(tmp_path):
    written(tmp_path, *AMSTERDAM, *LINKS_4)
    first = (tmp_path / "ermon.yml").read_text().partition("\n")[0]
    assert Path(first.partition("file://")[2]).is_file()


def test_long_names_make_feeds_with_names_of_their_own(tmp_path):
    circuits = [f"{'c' * 61}-{number}" for number in (1, 2)]
    arguments = [
        (
            *("--circuit", name, "--location", "Amsterdam"),
            *(
                "--link",
                f"primary=edge-1,192.0.3.{16 * at}/30",
                "--link",
                f"secondary=edge-2,192.0.3.{16 * at + 4}/30",
            ),
        )
        for at, name in enumerate(circuits)
    ]
    config = written(tmp_path, "--asn", "3320", *itertools.chain(*arguments)).config
    mirrors = [feed for feed in config.feeds.values() if feed.view is View.TO_MICROSOFT]
    assert {feed.circuit for feed in mirrors} == set(circuits)
    assert len(mirrors) == 4


def test_a_mirror_without_routes_is_reported_beforehand(tmp_path):
    arguments = (*AMSTERDAM, *LINKS, "--pool", "out=192.0.4.0/28", *EXITS)
    said = init(str(tmp_path / "ermon.yml"), flags(*arguments), [], replace=False, terminal=None)
    note = (
        "Circuit ams has IPv6 links and no IPv6 pool: while nothing is announced there, feed-empty is raised."
    )
    assert said[0] == note
    assert raised_on_a_good_day(tmp_path) == ["feed-empty"] * 2
