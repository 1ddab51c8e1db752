import json
import subprocess
import sys
from pathlib import Path

import pytest

from ermon import __version__, cli
from ermon.checks.catalogue import CATALOGUE
from ermon.cli import local

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "config" / "ermon.reference.yml"
SAMPLES = ROOT / "tests" / "recorded" / "samples-5.0.15.jsonl"
COMMANDS = (
    "run",
    "init",
    "check",
    "test",
    "status",
    "routes",
    "verify",
    "maintenance",
    "replay",
    "demo",
    "checks",
    "explain",
    "render",
)


@pytest.fixture
def ermon(capsys):
    """Run a command line in this process; returns exit code, standard output and standard error."""

    def run(*arguments):
        try:
            code = cli.run([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_help_names_every_command(ermon):
    code, out, _ = ermon("--help")
    assert code == 0
    assert all(f"    {command}" in out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(ermon, command):
    code, out, _ = ermon(command, "--help")
    assert code == 0
    assert out.startswith(f"usage: ermon {command}")


def test_the_version_is_printed(ermon):
    assert ermon("--version") == (0, f"ermon {__version__}\n", "")


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("run",), ("check",), ("explain",)])
def test_wrong_usage_is_2(ermon, arguments):
    assert ermon(*arguments)[0] == 2


@pytest.mark.parametrize("address", ["10179", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000"])
def test_a_listen_address_is_a_host_and_a_port(ermon, address):
    code, _, err = ermon("run", "--config.file=x.yml", f"--web.listen-address={address}")
    assert code == 2
    assert "is not HOST:PORT" in err


def test_as_a_module_it_is_the_same_program():
    done = subprocess.run(
        [sys.executable, "-m", "ermon", "--version"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == f"ermon {__version__}\n"


# check


CLEAN = """
customer: {asn: 3320}
circuits:
  ams:
    geo: europe
    location: Amsterdam
    peering: private
    links:
      primary: {router: edge-1, subnet: 172.16.0.0/30}
      secondary: {router: edge-2, subnet: 172.16.0.4/30}
  lon:
    geo: europe
    location: London
    peering: private
    links:
      primary: {router: edge-3, subnet: 172.16.0.8/30}
      secondary: {router: edge-4, subnet: 172.16.0.12/30}
feeds:
"""


def clean_configuration():
    """Two private circuits, an edge table of each router and a mirror of each link."""
    text = CLEAN
    links = [("ams", "primary"), ("ams", "secondary"), ("lon", "primary"), ("lon", "secondary")]
    for number, (circuit, link) in enumerate(links, 1):
        common = f"router: edge-{number}, peer: 127.0.0.{10 + number}, peer_asn: 3320"
        text += f"  edge-{number}: {{view: edge-table, {common}, local: 127.0.0.1, add_path: true}}\n"
        mirror = f"circuit: {circuit}, link: {link}, local: 127.0.0.2, local_asn: 65010"
        text += f"  msee-{number}: {{view: to-microsoft, {common}, {mirror}}}\n"
    return text


def test_a_clean_configuration_is_0(ermon, tmp_path):
    file = tmp_path / "ermon.yml"
    file.write_text(clean_configuration())
    assert ermon("check", file) == (0, "", "")


@pytest.mark.parametrize("name", ["ermon.yml", "ermon.reference.yml"])
def test_lints_exit_with_1_and_have_their_places(ermon, name):
    code, out, err = ermon("check", ROOT / "config" / name)
    assert (code, err) == (1, "")
    assert f"{ROOT / 'config' / name}:" in out
    assert "customer.asn: note: asn-reserved: 64500 is reserved for documentation" in out


def test_a_view_that_no_feed_provides_is_a_note_that_says_where(ermon, tmp_path):
    text = "\n".join(line for line in REFERENCE.read_text().splitlines() if "edge-2-isp-b:" not in line)
    file = tmp_path / "ermon.yml"
    file.write_text(text)
    code, out, _ = ermon("check", file)
    line = next(n for n, content in enumerate(text.splitlines(), 1) if content.startswith("  isp-b:"))
    assert code == 1, "of warnings"
    assert f"{file}:{line}:3: uplinks.isp-b: note: view-missing: no feed with the view to-internet" in out


def test_notes_and_accepted_lints_exit_with_0(ermon, tmp_path):
    file = tmp_path / "ermon.yml"
    file.write_text(f"{clean_configuration()}\nexceptions: [{{check: circuit-down, reason: a lab}}]\n")
    code, out, _ = ermon("check", file)
    assert (code, out.count("\n")) == (0, 1)
    assert ": exceptions[0]: note: maintenance-over: circuit-down is critical" in out


def test_addresses_of_this_machine_are_checked_only_with_here(ermon, tmp_path):
    file = tmp_path / "ermon.yml"
    file.write_text(clean_configuration().replace("local: 127.0.0.1,", "local: 192.0.2.77,"))
    assert ermon("check", file) == (0, "", "")
    code, out, _ = ermon("check", "--here", file)
    assert code == 0
    assert "note: local-not-here: cannot listen on 192.0.2.77:" in out
    assert ": not an address of this machine; `ip address add 192.0.2.77/32 dev DEVICE`" in out


@pytest.mark.parametrize("name", ["geo-one-location", "view-missing", "asn-reserved"])
def test_a_lint_is_explained(ermon, name):
    code, out, _ = ermon("explain", name)
    assert code == 0
    assert out.startswith(f"{name}: ")


def test_an_invalid_file_exits_with_2_and_every_error_is_a_line(ermon, tmp_path):
    file = tmp_path / "ermon.yml"
    file.write_text("customer: {asn: zero}\ncircuits: {}\nfeeds: {}\nfedes: {}\n")
    code, out, err = ermon("check", file)
    assert (code, out) == (2, "")
    assert f"{file}:1:12: customer.asn:" in err
    assert f"{file}:4:1: fedes:" in err


@pytest.mark.parametrize("command", [("check",), ("render", "exabgp")])
def test_a_file_that_is_not_there_is_2(ermon, command, tmp_path):
    code, _, err = ermon(*command, tmp_path / "nowhere.yml")
    assert code == 2
    assert "nowhere.yml" in err


def test_run_refuses_an_invalid_configuration_at_start(ermon, tmp_path):
    file = tmp_path / "ermon.yml"
    file.write_text("customer: {}\n")
    code, _, err = ermon("run", f"--config.file={file}")
    assert code == 2
    assert "customer.asn" in err


@pytest.mark.parametrize("text", ["90", "0d", "-1d", "1y", "9999999999d", "90d ", ""])
def test_a_retention_that_is_no_duration_is_refused(ermon, text):
    code, _, err = ermon("run", f"--config.file={REFERENCE}", f"--storage.retention={text}")
    assert code == 2
    assert f"--storage.retention: {text!r} is not a duration of up to 3650d, such as 90m, 2h or 90d" in err


def test_retention_is_ninety_days_by_default():
    parse = cli.parser().parse_args
    assert parse(["run", f"--config.file={REFERENCE}"]).retention == 90 * 86400
    assert parse(["run", f"--config.file={REFERENCE}", "--storage.retention=36h"]).retention == 36 * 3600


# replay


def test_a_replay_prints_one_object_for_each_transition(ermon):
    code, out, _ = ermon("replay", REFERENCE, SAMPLES, "--until", "40")
    transitions = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert {"offset", "time", "state", "check", "severity", "labels", "summary", "evidence"} <= set(
        transitions[0]
    )
    assert next(t["offset"] for t in transitions if t["check"] == "feed-down") == 30.0


def test_a_replay_on_a_terminal_prints_a_table_unless_json_is_wanted(ermon, monkeypatch):
    _, lines, _ = ermon("replay", REFERENCE, SAMPLES, "--until", "40", "--statuses")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    _, table, _ = ermon("replay", REFERENCE, SAMPLES, "--until", "40", "--statuses")
    assert "     30.000s  raised   warning   feed-down                Feed campus-core is down" in table
    assert table.endswith("\nok          storage-failed\n")
    assert ermon("replay", REFERENCE, SAMPLES, "--until", "40", "--statuses", "--json")[1] == lines


def test_an_undecodable_line_is_reported_with_its_number(ermon):
    code, _, err = ermon("replay", REFERENCE, SAMPLES)
    assert code == 0
    assert f"{SAMPLES}:86: skipped: unknown-feed: local 127.0.0.1, peer 127.0.0.14" in err


def test_a_replay_reads_standard_input(ermon, monkeypatch):
    with SAMPLES.open("rb") as file:
        monkeypatch.setattr("sys.stdin", type("Input", (), {"buffer": file}))
        code, piped, _ = ermon("replay", REFERENCE, "-")
    assert (code, piped) == ermon("replay", REFERENCE, SAMPLES)[:2]


def test_statuses_follow_the_transitions(ermon):
    _, out, _ = ermon("replay", REFERENCE, SAMPLES, "--statuses")
    statuses = [json.loads(line) for line in out.splitlines() if '"status"' in line]
    assert {s["status"] for s in statuses} <= {"ok", "violated", "unknown", "suppressed"}
    assert {s["check"] for s in statuses} >= {"link-down", "pool-leak", "feed-down", "exabgp-down"}
    assert statuses == sorted(statuses, key=lambda s: (s["check"], sorted(s["labels"].items())))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"no json\n", b"{}\n"])
def test_a_recording_without_a_single_event_is_2(ermon, tmp_path, content):
    events = tmp_path / "events.jsonl"
    events.write_bytes(content)
    code, out, err = ermon("replay", REFERENCE, events)
    assert (code, out) == (2, "")
    assert "no line could be decoded" in err


# checks, explain, render


def test_checks_lists_the_whole_catalogue(ermon):
    code, out, _ = ermon("checks")
    assert code == 0
    assert [name for name in CATALOGUE if f"  {name} " not in out] == []


@pytest.mark.parametrize("check", CATALOGUE)
def test_every_check_is_explained(ermon, check):
    code, out, _ = ermon("explain", check)
    assert code == 0
    assert out.startswith(f"{check}: ")
    for part in ("What it means", "What it needs", "What to do", "Where the rule comes from"):
        assert part in out


def test_a_check_is_explained_with_the_commands_of_the_router_that_one_has(ermon):
    code, out, _ = ermon("explain", "link-down", "--platform", "bird")
    assert code == 0
    assert "What to do (router commands: BIRD)" in out
    assert "birdc \"enable '$P'\"" in out
    assert "show bgp" not in out
    assert "OUR-ASN" not in out  # a word of the commands of other platforms
    code, out, _ = ermon("explain", "link-flapping", "--platform", "gobgp")
    assert (code, "ermon knows no command for GoBGP here." in out) == (0, True)


def test_in_an_explained_check_lines_for_a_file_are_separate_from_commands(ermon):
    _, out, _ = ermon("explain", "pool-leak", "--platform", "openbgpd")
    assert "\n     last in bgpd.conf:\n       deny to ISP prefix " in out
    assert "\n     then in a shell:\n       bgpctl reload\n" in out


def test_without_a_platform_the_commands_are_those_of_ios_xe(ermon):
    assert ermon("explain", "link-down")[1] == ermon("explain", "link-down", "--platform", "iosxe")[1]


def test_a_finding_has_the_platforms_of_its_routers(ermon):
    code, _, err = ermon("explain", "0123456789abcdef", "--platform", "bird")
    assert code == 2
    assert "set routers.NAME.platform in the configuration" in err


def test_an_unknown_check_exits_with_2_and_similar_names(ermon):
    code, _, err = ermon("explain", "pool-leek")
    assert code == 2
    assert "Did you mean pool-leak" in err


def test_the_exabgp_configuration_is_rendered_without_secrets(ermon):
    code, out, _ = ermon("render", "exabgp", REFERENCE)
    assert code == 0
    assert out.count("# ExaBGP process") == 2
    assert out.count("neighbor 127.0.0.11 {") == 3
    assert "md5-password" in out


def test_one_exabgp_process_can_be_chosen(ermon):
    code, out, _ = ermon("render", "exabgp", REFERENCE, "--process", "outside")
    assert code == 0
    assert "127.0.0.14" in out
    assert "127.0.0.11" not in out


def test_a_process_that_is_not_there_is_2(ermon):
    code, _, err = ermon("render", "exabgp", REFERENCE, "--process", "inside")
    assert code == 2
    assert "there are edges, outside" in err


def test_a_bug_is_70_and_asks_for_a_report(ermon, monkeypatch):
    monkeypatch.setattr(local, "_checks", lambda _: 1 / 0)
    code, _, err = ermon("checks")
    assert code == 70
    assert "ZeroDivisionError" in err
    assert "This is a bug in ermon" in err
