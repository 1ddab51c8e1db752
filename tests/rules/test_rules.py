"""Rule files in their usual style, and as the command prints them."""

from __future__ import annotations

import pytest
import yaml

from ermon import cli
from ermon.rules import RuleSet, render
from tests.checks.company import company
from tests.deploy.catalogue_tests import REFERENCE


def groups(text):
    return [group["name"] for group in yaml.safe_load(text)["groups"]]


def printed(capsys, *arguments):
    code = cli.run(["render", "rules", *map(str, arguments)])
    return code, capsys.readouterr()


def test_a_file_says_how_to_make_ones_own():
    assert "#   ermon render rules ermon.yml --web.external-url=" in render([RuleSet.SELF])


def test_expressions_are_in_the_usual_style():
    assert (
        "        expr: |-\n"
        "          max by (circuit, link, family) (\n"
        '            last_over_time(ermon_finding_raised{check="link-down"}[5m])\n'
        "          ) == 1\n"
    ) in render([RuleSet.FINDINGS])


def test_by_default_the_command_prints_the_rules_for_one_ermon_without_push(capsys):
    code, output = printed(capsys, REFERENCE)
    assert code == 0
    assert groups(output.out)[0] == "ermon-self"
    assert "ermon-received-from-microsoft" in groups(output.out)
    assert "ermon-regions" not in groups(output.out)


@pytest.mark.parametrize("rule_set", RuleSet)
def test_each_file_can_be_printed_alone_and_without_a_configuration(capsys, rule_set):
    code, output = printed(capsys, f"--{rule_set}", "--web.external-url=https://ermon.example.net")
    assert code == 0
    assert output.out == render([rule_set], external_url="https://ermon.example.net")


HOSTILE = "{{ $labels.check }} \"} or vector(1) # \\ ' <img src=x> {$x} ${y}"
"""Text that means something in templates of Prometheus, in its expressions, in YAML and in HTML."""


@pytest.mark.parametrize("rule_set", RuleSet)
def test_no_text_of_a_configuration_gets_into_the_rules(rule_set):
    """Names cannot be hostile, and values that may be any text are not used in rules."""
    plain, hostile = (
        company(
            yaml.safe_dump({"circuits": {"chicago": {"location": text}}}),
            yaml.safe_dump(
                {"exceptions": [{"check": "pool-leak", "until": "2099-01-01T00:00:00Z", "reason": text}]}
            ),
        ).config
        for text in ("Chicago", HOSTILE)
    )
    assert hostile.circuits["chicago"].location == HOSTILE
    assert render([rule_set], hostile) == render([rule_set], plain)


def test_an_invalid_configuration_is_2(capsys, tmp_path):
    file = tmp_path / "ermon.yml"
    file.write_text("circuits: {}\n")
    code, output = printed(capsys, file)
    assert (code, output.out) == (2, "")
    assert f"{file}:" in output.err


@pytest.mark.parametrize("url", ["ermon.example.net", "ftp://ermon", "https://", "https://x/{{ $labels.y }}"])
def test_a_url_must_be_one_and_no_template(capsys, url):
    with pytest.raises(SystemExit) as end:
        cli.run(["render", "rules", f"--web.external-url={url}"])
    assert end.value.code == 2
    assert "is not a URL such as https://ermon.example.net" in capsys.readouterr().err
