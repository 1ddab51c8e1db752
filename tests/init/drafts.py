"""Runs ``ermon init`` and tests the result with ermon itself: with its checker, and with a good day."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ermon.config.lints import lint_inventory
from ermon.config.load import LoadedConfig, load_config
from ermon.init.run import init
from ermon.scenario.load import load_scenarios

AZURE = Path(__file__).parent / "azure"
NOW = 1_800_000_000.0

LINKS_4 = ("--link", "primary=edge-1,192.0.3.0/30", "--link", "secondary=edge-2,192.0.3.4/30")
LINKS_6 = ("--link", "primary=edge-1,2a00::/126", "--link", "secondary=edge-2,2a00::4/126")
LINKS = (
    *("--link", "primary=edge-1,192.0.3.0/30,2a00::/126"),
    *("--link", "secondary=edge-2,192.0.3.4/30,2a00::4/126"),
)
AMSTERDAM = ("--asn", "3320", "--circuit", "ams", "--location", "Amsterdam")
LONDON = (
    *(
        "--circuit",
        "lon",
        "--location",
        "London",
        "--service",
        "12076:5010",
        "--pool",
        "lon-out=192.0.4.16/28",
    ),
    *("--link", "primary=edge-3,192.0.3.8/30", "--link", "secondary=edge-4,192.0.3.12/30"),
)
EXITS = ("--own-prefix", "192.0.4.0/24", "--uplink", "isp-a=border-1,174", "--uplink", "isp-b=border-2,3356")


def flags(*arguments: str) -> list[tuple[str, str]]:
    return list(zip(arguments[::2], arguments[1::2], strict=True))


def written(folder: Path, *arguments: str, azure: Sequence[str] = ()) -> LoadedConfig:
    """Return the file that flags and files of ``azure/`` give, without questions."""
    file = folder / "ermon.yml"
    init(
        str(file),
        flags(*arguments),
        [str(AZURE / name) for name in azure],
        replace=False,
        terminal=None,
    )
    return load_config(file)


def lints(loaded: LoadedConfig) -> set[str]:
    return {lint.name for lint in lint_inventory(loaded.config, NOW)}


def raised_on_a_good_day(folder: Path) -> list[str]:
    """Bring every feed up with the routes that the configuration expects; return what is raised in the hour after that."""
    scenario = folder / "good-day.yml"
    scenario.write_text(
        "config: ermon.yml\nscenarios: [{name: A good day, steps: [{converge: all}], until: 1h}]\n"
    )
    (loaded,) = load_scenarios(scenario)
    return [f"{each.transition.finding.check}" for each in loaded.play().reported]
