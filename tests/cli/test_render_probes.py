"""The command line of `ermon render probes`, without a daemon; ``tests/e2e/test_probes`` asks one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ermon import cli
from tests.sources.lists import m365_document

REFERENCE = Path(__file__).parents[2] / "config" / "ermon.reference.yml"
NAMED = 'probes: [{service: exchange-online, target: "outlook.office365.com:443"}]'


@pytest.fixture
def render(capsys, tmp_path):
    """Run `ermon render probes` with the reference configuration, and texts of it replaced."""
    (tmp_path / "m365.json").write_bytes(m365_document())
    (tmp_path / "broken.json").write_text("<html>")
    file = tmp_path / "ermon.yml"

    def run(*arguments, sources="[]", probes=NAMED):
        text = REFERENCE.read_text().replace("sources: []", f"sources: {sources}")
        file.write_text(text.replace("probes: []", probes))
        try:
            code = cli.run(["render", "probes", *(str(file) if each is None else each for each in arguments)])
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return code, json.loads(printed.out) if printed.out else None, printed.err

    return run


CONFIG = None
"""Stands for the configuration in a command line."""


def test_the_targets_are_those_of_the_configuration_and_of_lists_that_are_files(render):
    code, groups, err = render(CONFIG, sources="[{kind: m365, from: m365.json}]")
    assert (code, err) == (0, "")
    assert groups == [
        {
            "targets": ["mail.example.net:443", "mail.example.net:80", "outlook.office365.com:443"],
            "labels": {"ms_service": "exchange-online", "geo": "us"},
        }
    ]


def test_the_reference_configuration_names_none(render):
    assert render(CONFIG, probes="probes: []") == (0, [], "")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "{kind: m365, from: 'https://endpoints.office.com/endpoints/Worldwide'}",
            "source m365:endpoints.office.com/endpoints/Worldwide: is a URL, which this command does not fetch",
        ),
        ("{kind: m365, from: broken.json}", "source m365:broken.json: is not JSON"),
        ("{kind: m365, from: nowhere.json}", "nowhere.json cannot be read: No such file or directory"),
    ],
)
def test_targets_of_a_list_that_is_not_read_are_said_to_be_missing(render, source, said):
    code, groups, err = render(CONFIG, sources=f"[{source}]")
    assert code == 3
    assert [each["targets"] for each in groups] == [["outlook.office365.com:443"]]
    assert said in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((CONFIG, "--url=http://127.0.0.1:1"), "CONFIG and a daemon are two sources of targets"),
        (("--feeds.match=x",), "--feeds.match needs CONFIG"),
        ((CONFIG, "--feeds.match=x"), "--feeds.match=x matches no feed"),
    ],
)
def test_wrong_flags_are_2(render, arguments, said):
    code, groups, err = render(*arguments)
    assert (code, groups) == (2, None)
    assert said in err


def test_a_daemon_that_is_not_there_is_3(render):
    code, groups, err = render("--url=http://127.0.0.1:1")
    assert (code, groups) == (3, None)
    assert "http://127.0.0.1:1 cannot be reached" in err
