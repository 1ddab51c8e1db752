"""The command line of `ermon render router`."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from ermon import cli
from ermon.cli.shared import PLATFORMS
from ermon.config.schema import RouterEntry
from ermon.routers import PLATFORMS as KNOWN

REFERENCE = Path(__file__).parents[2] / "config" / "ermon.reference.yml"


@pytest.fixture
def render_router(capsys):
    """Run `ermon render router` in this process; returns exit code, standard output and standard error."""

    def run(*arguments):
        try:
            code = cli.run(["render", "router", *map(str, arguments)])
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_every_platform_can_be_chosen():
    assert set(PLATFORMS) == set(KNOWN)


def test_a_router_is_rendered_with_the_policies_of_its_mirrors(render_router):
    code, out, err = render_router(
        *("edge-1", "--platform", "iosxe", f"--config.file={REFERENCE}", "--update-source=Loopback0"),
        *("--mirror", "edge-1-msee=TO-MICROSOFT", "--mirror", "edge-1-msee:ipv6=TO-MICROSOFT6"),
        *("--mirror", "edge-1-isp-a=TO-ISP-A"),
    )
    assert (code, err) == (0, "")
    assert "  neighbor 127.0.0.2 route-map TO-MICROSOFT out\n" in out
    assert "  neighbor 127.0.0.2 route-map TO-MICROSOFT6 out\n" in out
    assert "REPLACE-" not in out


def test_the_platform_is_that_of_the_configuration_by_default(render_router):
    code, out, _ = render_router("edge-1", f"--config.file={REFERENCE}")
    assert (code, out.splitlines()[0].split(":")[0]) == (0, "! edge-1, FRR")
    assert "Arista EOS" in render_router("edge-1", f"--config.file={REFERENCE}", "--platform=eos")[1]
    code, _, err = render_router("edge-2", f"--config.file={REFERENCE}")
    assert code == 2
    assert "the platform of edge-2 is not known" in err


@pytest.fixture
def reporting(tmp_path):
    file = tmp_path / "ermon.yml"
    text = REFERENCE.read_text().replace(
        "  port: 1790", '  bmp: {listen: ["192.0.2.10:11019"]}\n  port: 1790'
    )
    file.write_text(text.replace("platform: frr}", "platform: frr, bmp: {peer: 192.0.2.201}}"))
    return file


def test_what_reports_a_routers_sessions_is_printed_instead(render_router, reporting):
    code, out, err = render_router("edge-1", "--bmp", f"--config.file={reporting}")
    assert (code, err) == (0, "")
    assert out.startswith("! edge-1, FRR: its sessions, reported to ermon at 192.0.2.10, port 11019 (BMP).")
    assert "  bmp connect 192.0.2.10 port 11019 " in out
    assert "remote-as" not in out
    arguments = (
        "edge-1",
        "--bmp",
        "--platform=eos",
        "--update-source=Loopback0",
        f"--config.file={reporting}",
    )
    assert "      update-source Loopback0\n" in render_router(*arguments)[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("edge-2", "--platform=frr"), "router 'edge-2' has no bmp in the configuration"),
        (("edge-1", "--platform=panos"), "PAN-OS has no BMP"),
        (("edge-1", "--mirror", "edge-1-msee=X"), "--mirror is for BGP sessions with ermon"),
    ],
)
def test_what_cannot_be_reported_is_2_and_says_what_to_do(render_router, reporting, arguments, said):
    code, out, err = render_router(*arguments, "--bmp", f"--config.file={reporting}")
    assert (code, out) == (2, "")
    assert said in err


def test_every_platform_of_the_configuration_can_be_rendered():
    named, _ = get_args(RouterEntry.model_fields["platform"].annotation)
    assert set(get_args(named)) == set(PLATFORMS)


def test_the_configuration_is_the_one_in_this_folder_unless_named(render_router, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, _, err = render_router("edge-1", "--platform", "frr")
    assert code == 2
    assert "ermon.yml" in err
    (tmp_path / "ermon.yml").write_text(REFERENCE.read_text())
    assert render_router("edge-1", "--platform", "frr")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("edge-9", "--platform", "frr"), "there is no router 'edge-9'"),
        (("edge-1", "--platform", "ios"), "choose from"),
        (("edge-2",), "--platform"),
        (("edge-1", "--platform", "frr", "--mirror", "edge-1-msee"), "is not FEED=POLICY"),
        (("edge-1", "--platform", "frr", "--mirror", "edge-1-msee:ipx=X"), "is not FEED=POLICY"),
        (("edge-1", "--platform", "frr", "--mirror", "edge-2-msee=X"), "no mirror of router edge-1"),
    ],
)
def test_wrong_usage_exits_with_2_and_lists_the_choices(render_router, arguments, said):
    code, out, err = render_router(*arguments, f"--config.file={REFERENCE}")
    assert (code, out) == (2, "")
    assert said in err
