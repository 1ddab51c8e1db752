"""`ermon replay --mrt` and `ermon recording export --mrt`: what they write, and what they say."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from ermon.cli import run
from tests.mrt import bgpdump, mrt

TESTS = Path(__file__).parents[1]
CONFIG = TESTS / "recorded" / "earlier-ermon" / "ermon.yml"
MRT = TESTS / "recorded" / "mrt"
FRR, TABLE = MRT / "frr-8.4.4-all.mrt", MRT / "frr-8.4.4-table.mrt"


def replay(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run(["replay", str(CONFIG), *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_link_that_a_router_lost_is_found_in_its_file(capsys) -> None:
    code, out, err = replay(capsys, "--until", 60, "--mrt", FRR, "--feed", "edge-1")
    assert code == 0
    found = [json.loads(line) for line in out.splitlines()]
    assert [(t["state"], t["labels"]["link"]) for t in found if t["check"] == "link-down"] == [
        ("raised", "primary")
    ]
    assert err == f"{FRR}: record at octet 3212: skipped: BGP4MP (type 16, subtype 5): addresses of AFI 8\n"


def test_flags_may_be_in_any_order(capsys) -> None:
    expected = replay(capsys, "--mrt", TABLE, "--feed", "edge-1", "--statuses")
    assert expected[1]
    code = run(["replay", "--feed", "edge-1", "--mrt", str(TABLE), "--statuses", str(CONFIG)])
    assert (code, capsys.readouterr().out) == (0, expected[1])


def test_peers_of_no_feed_are_named_with_what_to_do(capsys) -> None:
    code, out, err = replay(capsys, "--mrt", TABLE)
    assert (code, out) == (2, "")
    assert err == (
        f"{TABLE}: no feed of {CONFIG} has these peers: 0.0.0.0 AS 0 (3 records), 203.0.113.2 AS 12076 (3 records), "
        "203.0.113.6 AS 12076 (3 records), 192.0.2.254 AS 64510 (2 records); --feed NAME takes them as that feed\n"
    )


def test_half_a_table_is_named(capsys) -> None:
    code, _, err = replay(capsys, "--mrt", MRT / "bird-2.0.12-table-ipv4.mrt", "--feed", "edge-1")
    assert code == 0
    assert "there is no table of IPv6 for edge-1, so that its IPv6 counts as empty" in err
    both = [argument for f in ("ipv4", "ipv6") for argument in ("--mrt", MRT / f"bird-2.0.12-table-{f}.mrt")]
    assert replay(capsys, *both, "--feed", "edge-1")[2] == ""


def test_a_file_that_is_not_mrt(tmp_path: Path, capsys) -> None:
    file = tmp_path / "file"
    file.write_text("This is a text, and longer than the header of a record.\n")
    code, out, err = replay(capsys, "--mrt", file)
    assert (code, out) == (2, "")
    first, second = err.splitlines()
    assert first.startswith(f"{file}: the record at octet 0 says that it has ")
    assert second == f"{file}: there is no record of MRT in it that ermon can read"
    file.write_bytes(b"")
    assert replay(capsys, "--mrt", file)[::2] == (2, f"{second}\n")


def test_a_table_without_routes(tmp_path: Path, capsys) -> None:
    file = tmp_path / "empty.mrt"
    file.write_bytes(mrt.peers(("192.0.2.254", 64510)))
    assert replay(capsys, "--mrt", file, "--feed", "edge-1") == (
        2,
        "",
        f"{file}: the table in it has no routes that ermon can read, and an empty table does not say of which family it is\n",
    )


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--mrt", "a.mrt", "b.jsonl"), "give either EVENTS or --mrt, not both: b.jsonl, --mrt a.mrt"),
        (("a.jsonl", "--feed", "edge-1"), "--feed is for --mrt"),
        (("--mrt", "a.mrt", "--feed", "edge-9"), "--feed edge-9: there is no such feed; there are edge-1, "),
    ],
)
def test_flags_that_do_not_belong_together(arguments, why: str, capsys) -> None:
    code, _, err = replay(capsys, *arguments)
    assert code == 2
    assert err.startswith(f"ermon: {why}")


def test_events_are_still_required_without_a_file_of_mrt(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        replay(capsys, "--until", 5)
    assert ended.value.code == 2
    assert "the following arguments are required: EVENTS" in capsys.readouterr().err


def test_very_many_damaged_records_are_counted(tmp_path: Path, capsys) -> None:
    file = tmp_path / "damaged.mrt"
    damaged = (bytes(4) + b"\0\x10\0\4" + b"\0\0\0\1\0") * 300 + (bytes(4) + b"\0\x0c\0\1" + bytes(4)) * 40
    file.write_bytes(damaged + FRR.read_bytes())
    code, _, err = replay(capsys, "--mrt", file, "--feed", "edge-1")
    assert code == 0
    lines = err.splitlines()
    assert (
        lines[0]
        == f"{file}: record at octet 0: skipped: BGP4MP (type 16, subtype 4): it ends before its addresses"
    )
    assert lines[10:] == [
        f"{file}: 291 more damaged records: skipped",
        f"{file}: 40 records not used: TABLE_DUMP (type 12, subtype 1): it is not read; the first at octet 3900",
    ]


# Writing -------------------------------------------------------------------------------------------------

RECORDINGS = sorted((TESTS / "recorded" / "earlier-ermon").glob("*.jsonl.gz"))


def export(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run(["recording", "export", str(CONFIG), *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def replayed(capsys, *arguments: object) -> list[tuple[object, ...]]:
    """The findings, without those that begin or end some milliseconds later where a recording says what was not yet read."""
    code, out, err = replay(capsys, *arguments)
    assert (code, err) == (0, "")
    found = [json.loads(line) for line in out.splitlines()]
    return [(t["time"], t["state"], t["check"], t["labels"]) for t in found if t["check"] != "feed-down"]


@pytest.mark.parametrize("name", ["day.mrt", "day.mrt.gz", "day.mrt.bz2"])
def test_recordings_of_an_earlier_ermon_are_the_same_from_mrt(tmp_path: Path, name: str, capsys) -> None:
    path = tmp_path / name
    assert export(capsys, *RECORDINGS, "--mrt", path) == (0, "", f"{path}: 87 records\n")
    assert bgpdump.read(path) == bgpdump.comparable(bgpdump.dumped(path))
    assert replayed(capsys, "--mrt", path) == replayed(capsys, *RECORDINGS)


def test_feeds_and_times_are_chosen(tmp_path: Path, capsys) -> None:
    path = tmp_path / "part.mrt"
    times = ("--from", "2026-11-30T12:38:23Z", "--to", "2026-11-30T12:38:24Z")
    code, _, err = export(
        capsys, *RECORDINGS, "--feed", "edge-1-isp-a", "--feed", "edge-2", *times, "--mrt", path
    )
    assert code == 0, err
    lines = [line.split("|") for line in bgpdump.read(path)]
    assert {line[1] for line in lines} == {"1796042303.000000"}
    assert {line[3] for line in lines} == {"127.77.3.11", "127.77.3.12"}
    assert sorted(line[5] for line in lines if line[2] == "A" and line[3] == "127.77.3.11") == [
        "198.51.100.128/27",
        "198.51.100.3/32",
        "2001:db8:100:80::/64",
    ]


def test_mrt_goes_to_standard_output(capfdbinary) -> None:
    assert run(["recording", "export", str(CONFIG), *map(str, RECORDINGS), "--mrt"]) == 0
    out, err = capfdbinary.readouterr()
    assert len(out) > 5_000
    assert err == b"-: 87 records\n"


def test_a_full_disk_behind_standard_output_is_no_bug_of_ermon() -> None:
    command = (sys.executable, "-m", "ermon", "recording", "export", CONFIG, *RECORDINGS, "--mrt")
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (
        2,
        "standard output: cannot be written: No space left on device\n",
    )


def test_times_that_mrt_has_no_room_for_are_counted(tmp_path: Path, capsys) -> None:
    recording, path = tmp_path / "far.jsonl", tmp_path / "far.mrt"
    lines = b"".join(map(gzip.decompress, map(Path.read_bytes, RECORDINGS)))
    recording.write_bytes(lines.replace(b'"time": 1796042302.', b'"time": 99796042302.'))
    code, _, err = export(capsys, recording, "--mrt", path)
    assert code == 0
    assert "lines could not be read" in err
    assert bgpdump.read(path)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--feed", "edge-9", "--mrt", "a.mrt"), "ermon: there is no feed 'edge-9'; there are edge-1, "),
        (("--to", "2020-01-01T00:00:00Z", "--mrt", "a.mrt"), "it has no session of edge-1, "),
        (
            ("--from", "2026-11-30T12:38:23Z", "--to", "2026-11-30T12:38:22Z", "--mrt", "a.mrt"),
            "--to is before --from",
        ),
        (("--mrt", CONFIG), f"{CONFIG}: it exists already; remove it, or name another file"),
    ],
)
def test_what_cannot_be_exported(arguments, why: str, capsys) -> None:
    code, out, err = export(capsys, *RECORDINGS, *arguments)
    assert (code, out) == (2, "")
    assert why in err
    assert not Path("a.mrt").exists()


def test_a_time_that_is_none(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        export(capsys, *RECORDINGS, "--from", "noon", "--mrt", "a.mrt")
    assert ended.value.code == 2
    assert "argument --from" in capsys.readouterr().err
