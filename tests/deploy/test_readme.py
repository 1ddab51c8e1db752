"""The guide into production is right: its files exist, its commands parse, its YAML loads."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from ermon.cli import parser
from ermon.config.load import load_config
from ermon.httpd.config import load_web_config

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
GUIDE = (DEPLOY / "README.md").read_text()
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)).replace("\\\n", " ")
INLINE = re.findall(r"`(ermon [^`]+)`", GUIDE)


def commands():
    """Return every command line of ermon, without shell syntax."""
    for line in [*SHELL.splitlines(), *INLINE]:
        for part in re.split(r"\s(?:\||&&)\s", line.split("  #")[0].lstrip("# ")):
            words = shlex.split(part)
            words = words[words[0] == "sudo" :] if words else []
            if words and Path(words[0].removeprefix("ExecStart=")).name == "ermon":
                yield " ".join(words[1:])


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#]*)", GUIDE)) - {""}))
def test_link_targets_exist(target):
    assert (DEPLOY / target).exists()


@pytest.mark.parametrize("anchor", sorted(set(re.findall(r"\]\(#([^)]+)\)", GUIDE))))
def test_its_table_of_contents_leads_somewhere(anchor):
    headings = re.findall(r"^## (.+)$", GUIDE, re.MULTILINE)
    assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_its_commands_are_ermon_s(command):
    assert parser().parse_args(
        [word for word in shlex.split(command) if word != "CHECK"] + ["pool-leak"] * ("CHECK" in command)
    )


def test_it_shows_commands_of_every_kind():
    assert {"check", "render", "run", "verify", "explain"} <= {command.split()[0] for command in commands()}


def test_its_web_configuration_loads(tmp_path):
    [text] = [
        block for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL) if "basic_auth_users" in block
    ]
    shown = yaml.safe_load(text)
    del shown["tls_server_config"]  # the certificate does not exist here
    shown["basic_auth_users"] = {"prometheus": "$2y$10$" + "a" * 53}
    file = tmp_path / "web.yml"
    file.write_text(yaml.safe_dump(shown))
    assert "prometheus" in load_web_config(file).users


def test_its_receivers_load(tmp_path):
    shown = [
        block for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL) if "alertmanager:" in block
    ]
    webhooks = re.findall(r"`(webhooks: \[[^`]+)`", GUIDE)
    company = (ROOT / "config" / "ermon.yml").read_text()
    file = tmp_path / "ermon.yml"
    file.write_text("\n".join([company, *shown, *webhooks]))
    (tmp_path / "secrets").mkdir()
    config = load_config(file).config
    assert config.alertmanager.urls == ("http://127.0.0.1:9093",)
    assert [webhook.secret_file for webhook in config.webhooks] == ["secrets/hook.key"]
