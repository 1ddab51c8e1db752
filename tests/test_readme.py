import re
from pathlib import Path

import pytest

from ermon.cli import run

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_what_it_links_to_is_there(target):
    assert target.startswith("https://") or (ROOT / target).exists()


def test_the_commands_it_shows_are_ermon_s(capsys):
    shell = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
    commands = set(re.findall(r"(?:^|/bin/)ermon ([a-z]+)", shell, re.MULTILINE))
    assert {"demo", "check", "run"} <= commands
    for command in sorted(commands):
        with pytest.raises(SystemExit) as end:
            run([command, "--help"])
        assert end.value.code == 0
    capsys.readouterr()


def test_its_scenarios_pass_with_the_configuration_beside_it(tmp_path, capsys):
    [text] = [block for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if "scenarios:" in block]
    (tmp_path / "ermon.yml").write_text((ROOT / "config" / "ermon.yml").read_text())
    scenario = tmp_path / "scenario.yml"
    scenario.write_text(text)
    code = run(["test", str(scenario)])
    assert (code, "2 passed, 0 failed" in capsys.readouterr().out) == (0, True)
