"""The Containerfile, as far as it can be tested without a container runtime."""

import asyncio
import json
import re
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from ermon import cli
from ermon.client import target
from ermon.httpd.shell import WebConfig
from tests.checks.company import company
from tests.httpd.test_access import USERS
from tests.web.site import Site

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "container" / "Containerfile").read_text()


def instructions():
    """Return name and arguments of each instruction, with continued lines joined."""
    lines = [line for line in TEXT.replace("\\\n", "").splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def of(name):
    return [arguments for instruction, arguments in instructions() if instruction == name]


def copied():
    """Return the files that are copied from the repository."""
    return [
        source
        for arguments in of("COPY")
        if not arguments.startswith("--from=")
        for source in arguments.split()[:-1]
    ]


def test_every_base_is_one_python_that_ermon_runs_on():
    assert {arguments.split()[0] for arguments in of("FROM")} == {"${PYTHON}"}
    (base,) = of("ARG")
    image = r"docker\.io/library/python:3\.(\d+)-slim-bookworm(?:@sha256:[0-9a-f]{64})?"
    pinned = re.fullmatch(rf"PYTHON={image}", base)
    assert pinned, (
        "pinned by the minor version of Python and the release of Debian, and perhaps by the digest"
    )
    least = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert int(pinned[1]) >= int(least.removeprefix(">=3."))


@pytest.mark.parametrize("source", copied())
def test_copied_files_exist_and_are_not_ignored(source):
    assert (ROOT / source).exists()
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    matching = [rule for rule in rules if fnmatch(source, rule.removeprefix("!"))]
    assert matching[-1].startswith("!")


def test_all_files_that_a_build_reads_are_copied():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    needed.add("deploy/requirements.lock")
    needed |= set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert needed == set(copied())


def test_it_installs_only_locked_releases():
    (build, _) = of("RUN")
    installed = [command for command in re.split(r"\s+&&\s+", build) if "pip install" in command]
    assert [" --require-hashes -r requirements.lock" in command for command in installed] == [True, False]
    assert installed[1].endswith(" --no-deps --no-build-isolation .")


def test_it_does_not_run_as_root():
    (user,) = of("USER")
    assert int(user) > 0
    assert f"--uid {user} " in TEXT
    assert [name for name, _ in instructions()].index("USER") < len(instructions()) - 1


def test_it_starts_a_command_of_ermon(capsys):
    (entry,), (command,) = of("ENTRYPOINT"), of("CMD")
    *init, program = json.loads(entry)
    assert (init, program) == (["tini", "--"], "ermon")
    name, *flags = json.loads(command)
    with pytest.raises(SystemExit) as end:
        cli.run([name, *flags, "--help"])
    assert end.value.code == 0
    assert all(flag.partition("=")[0] in capsys.readouterr().out for flag in flags)


async def ends(command):
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait()


async def test_its_health_check_asks_the_control_socket(tmp_path):
    """This also works with users and TLS over TCP."""
    (check,) = of("HEALTHCHECK")
    _, *arguments = json.loads(check.partition("CMD ")[2])
    (environment,) = of("ENV")
    socket = dict(each.split("=") for each in environment.split())["RUNTIME_DIRECTORY"] + "/control.sock"
    assert Path(socket) == target.DEFAULT_SOCKET
    assert sum(socket in argument for argument in arguments) == 1
    assert "/run/ermon" in of("VOLUME")[0].split()
    command = [sys.executable, *(each.replace(socket, f"{tmp_path}/control.sock") for each in arguments)]
    assert await ends(command) != 0
    site = Site(company(), web_config=lambda: WebConfig(users=USERS))
    async with site.controlled(tmp_path):
        assert await ends(command) == 0
