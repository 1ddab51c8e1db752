"""The files in deploy/systemd, as far as they can be tested without a running systemd."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ermon import cli
from ermon.cli import render as render_commands
from ermon.daemon.systemd import CONFIG_FILE, EXECUTABLE, START_SECONDS, UnitError, UnitFile, hidden, render
from tests import bgp
from tests.e2e.sandbox import Unit

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "systemd"
UNIT = (FOLDER / "ermon.service").read_text()
EXPOSURE = 15
"""The exposure that systemd-analyze reports as 1.5, for the capability for port 179 and for networks."""


def run(*command, **options):
    """Run one of systemd's tools; a failure shows its output."""
    bgp.require(shutil.which(command[0]) is not None, command[0])
    command = [*map(str, command)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, **options)
    assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
    return ended.stdout


@pytest.fixture
def unit_file(tmp_path):
    """Return the unit, with an existing executable."""
    found = tmp_path / "ermon.service"
    found.write_text(render(UnitFile.SERVICE, Path("/bin/true"), CONFIG_FILE, []))
    return found


@pytest.mark.parametrize("file", UnitFile)
def test_the_files_in_deploy_are_those_that_ermon_prints(file):
    assert (FOLDER / file.value).read_text() == render(file, EXECUTABLE, CONFIG_FILE, [])


def test_systemd_understands_the_unit(unit_file):
    run("systemd-analyze", "verify", unit_file)


def test_the_sandbox_of_the_unit_is_tight(unit_file):
    run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", unit_file)


def test_the_addresses_that_ermon_may_speak_to_make_it_tighter(unit_file):
    folder = unit_file.parent / "ermon.service.d"
    folder.mkdir()
    shutil.copy(FOLDER / "ermon-addresses.conf", folder / "addresses.conf")
    run("systemd-analyze", "verify", unit_file)
    run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE - 2}", unit_file)


def test_the_limits_of_starting_and_stopping_leave_ermon_its_time():
    settings = Unit(UNIT)
    assert int(settings.one("TimeoutStartSec")) > START_SECONDS
    assert int(settings.one("TimeoutStopSec")) >= 10
    assert int(settings.one("WatchdogSec")) >= 30


def test_the_account_is_made(tmp_path):
    (tmp_path / "etc").mkdir()
    run("systemd-sysusers", f"--root={tmp_path}", FOLDER / "ermon.sysusers.conf")
    name, _, _, _, _, home, shell = (tmp_path / "etc" / "passwd").read_text().strip().split(":")
    assert (name, home, shell) == ("ermon", "/var/lib/ermon", "/usr/sbin/nologin")


def test_the_folders_are_made_and_the_keys_are_root_s(tmp_path):
    bgp.require(os.geteuid() == 0, "right to give files away: not root")
    (tmp_path / "etc" / "ermon").mkdir(parents=True)
    (tmp_path / "etc" / "ermon" / "ermon.yml").touch()
    run("systemd-sysusers", f"--root={tmp_path}", FOLDER / "ermon.sysusers.conf")
    run("systemd-tmpfiles", f"--root={tmp_path}", "--create", FOLDER / "ermon.tmpfiles.conf")
    group = int((tmp_path / "etc" / "group").read_text().split(":")[2])
    found = {}
    for path in (tmp_path / "etc" / "ermon").rglob("*"):
        status = path.stat()
        found[path.name] = (oct(status.st_mode & 0o777), status.st_uid, status.st_gid)
    assert found == {"secrets": ("0o700", 0, 0), "ermon.yml": ("0o640", 0, group)}


# ermon render systemd --------------------------------------------------------------------------------


@pytest.fixture
def rendered(capsys):
    """Run `ermon render systemd`; returns exit code, standard output and standard error."""

    def rendered(*arguments):
        code = cli.run(["render", "systemd", *map(str, arguments)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return rendered


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Install ermon in a folder that the service can see."""
    (tmp_path / "ermon").touch()
    monkeypatch.setattr(render_commands.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr("ermon.daemon.systemd.HIDDEN", (Path("/nowhere"),))
    return tmp_path / "ermon"


def test_the_unit_starts_the_ermon_that_printed_it(rendered, installed, tmp_path):
    code, out, err = rendered(f"--config.file={tmp_path}/x.yml")
    assert (code, "x.yml does not exist yet" in err) == (0, True)
    assert f"\nExecStart={installed} run --config.file={tmp_path}/x.yml\n" in out


@pytest.mark.parametrize(
    ("flag", "file"), [("--sysusers", UnitFile.SYSUSERS), ("--tmpfiles", UnitFile.TMPFILES)]
)
def test_account_and_folders_are_printed_alone(rendered, flag, file):
    assert rendered(flag, "--executable=/opt/ermon/bin/ermon") == (0, (FOLDER / file.value).read_text(), "")


def test_every_file_that_the_configuration_names_is_passed_on(rendered, tmp_path):
    text = (ROOT / "config" / "ermon.reference.yml").read_text()
    sections = yaml.safe_load(text.replace("campus-core.key", "secrets/campus-core.key"))
    sections["alertmanager"] = {
        "urls": ["https://alerts.example.net"],
        "basic_auth": {"username": "ermon", "password_file": "alertmanager.password"},
        "tls": {
            "ca_file": "/etc/ssl/certs/ours.pem",
            "cert_file": "tls/ermon.pem",
            "key_file": "tls/ermon.key",
        },
    }
    sections["webhooks"] = [
        {"url": "https://chat.example.net", "secret_file": "hook.key", "bearer_token_file": "hook.token"}
    ]
    config = tmp_path / "ermon.yml"
    config.write_text(yaml.safe_dump(sections))
    code, out, err = rendered(f"--config.file={config}", "--executable=/opt/ermon/bin/ermon")
    assert (code, err) == (0, "")
    passed = dict(c.split(":") for c in Unit(out).settings["LoadCredential"])
    assert passed == {
        "secrets": f"{tmp_path}/secrets",
        "alertmanager.password": f"{tmp_path}/alertmanager.password",
        "tls_ermon.pem": f"{tmp_path}/tls/ermon.pem",
        "tls_ermon.key": f"{tmp_path}/tls/ermon.key",
        "hook.key": f"{tmp_path}/hook.key",
        "hook.token": f"{tmp_path}/hook.token",
    }


def test_a_key_elsewhere_is_passed_on_by_itself_unless_its_path_is_absolute():
    files = ["edge-1.key", "secrets/edge-2.key", "more/edge-3.key", "/srv/edge-4.key"]
    credentials = Unit(render(UnitFile.SERVICE, EXECUTABLE, CONFIG_FILE, files)).settings["LoadCredential"]
    assert credentials == [
        "secrets:/etc/ermon/secrets",
        "edge-1.key:/etc/ermon/edge-1.key",
        "more_edge-3.key:/etc/ermon/more/edge-3.key",
    ]


def test_an_invalid_configuration_is_refused(rendered, tmp_path):
    (tmp_path / "bad.yml").write_text("feeds: 3\n")
    code, out, err = rendered(f"--config.file={tmp_path}/bad.yml", "--executable=/opt/ermon/bin/ermon")
    assert (code, out) == (2, "")
    assert f"{tmp_path}/bad.yml:1:1: feeds: " in err


@pytest.mark.parametrize("path", ["/opt/my ermon/ermon", "/opt/50%/ermon", "/opt/$HOME/ermon", "ermon"])
def test_a_path_that_means_something_to_systemd_is_refused(path):
    with pytest.raises(UnitError, match=re.escape(path)):
        render(UnitFile.SERVICE, Path(path), CONFIG_FILE, [])


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/home/jane/.local/bin/ermon", False),
        ("/root/.local/share/pipx/venvs/ermon/bin/ermon", False),
        ("/tmp/venv/bin/ermon", False),
        ("/opt/pipx/venvs/ermon/bin/ermon", True),
        ("/homes/ermon", True),
    ],
)
def test_hidden_folders_are_known(path, seen):
    assert (hidden([Path("/usr/bin/python3"), Path(path)]) is None) is seen


def test_an_ermon_that_the_service_does_not_see_gets_no_unit(rendered, monkeypatch, tmp_path, installed):
    monkeypatch.setattr("ermon.daemon.systemd.HIDDEN", (tmp_path,))
    code, out, err = rendered()
    assert (code, out) == (2, "")
    assert f"cannot see {installed}" in err
    assert "PIPX_HOME=/opt/pipx" in err


def test_a_python_that_the_service_does_not_see_is_noticed_too(rendered, monkeypatch, installed):
    monkeypatch.setattr("ermon.daemon.systemd.HIDDEN", (Path(sys.executable).resolve().parent,))
    assert f"cannot see {Path(sys.executable).resolve()}" in rendered()[2]


def test_without_an_installation_there_is_no_unit(rendered, installed):
    installed.unlink()
    assert rendered() == (
        2,
        "",
        f"ermon: ermon is not installed: there is no {installed}. Name another file with --executable=FILE\n",
    )
