"""The examples in the README about scenarios work as they are."""

import re
from pathlib import Path

from ermon.cli import run

ROOT = Path(__file__).parents[2]
README = (ROOT / "ermon" / "scenario" / "README.md").read_text()


def test_its_scenarios_pass_with_the_small_configuration_beside_them(tmp_path, capsys):
    [text] = [block for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if "scenarios:" in block]
    (tmp_path / "ermon.yml").write_text((ROOT / "config" / "ermon.yml").read_text())
    scenario = tmp_path / "scenario.yml"
    scenario.write_text(text)
    code = run(["test", str(scenario)])
    assert (code, "2 passed, 0 failed" in capsys.readouterr().out) == (0, True)
