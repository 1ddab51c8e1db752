"""ermon's configuration of the company, in a file of the demo: the story adds to it where the circuit is in Azure."""

from __future__ import annotations

from pathlib import Path

from ermon.config.load import load_config
from ermon.demo.microsoft import AUTHORITY_FILE, SECRET_FILE
from ermon.model.inventory import Config

CIRCUIT = "chicago"
_RESOURCE = (
    "/subscriptions/demo/resourceGroups/network/providers/Microsoft.Network/expressRouteCircuits/er-chicago"
)
_BEFORE = f"  {CIRCUIT}:\n"
"""The line of ``demo.yml`` below which the circuit's settings stand."""


class Settings:
    """The configuration. ``add_azure`` changes the file, and does not tell ermon of it."""

    def __init__(self, file: Path, text: str) -> None:
        self.file = file
        self._text = text
        file.write_text(text, encoding="utf-8")
        self.config: Config = load_config(file).config
        """What ermon starts with."""

    def add_azure(self, host: str, compared: str = "") -> Config:
        """Say where the circuit is in Azure, and with ``compared`` what Azure must say of it; return the configuration."""
        source = f"    azure: {{resource_id: {_RESOURCE}, from: arm, refresh: 1m{compared}}}\n"
        text = self._text.replace(_BEFORE, _BEFORE + source, 1) + _login(host)
        self.file.write_text(text, encoding="utf-8")
        return load_config(self.file).config


def _login(host: str) -> str:
    return f"""
azure:                                 # the demo's own stand-in for Azure
  login: client-secret
  tenant: company.example
  client_id: 00000000-0000-0000-0000-000000000000
  client_secret_file: {SECRET_FILE}
  ca_file: {AUTHORITY_FILE}
  hosts: {{management: "{host}", login: "{host}"}}
"""
