"""What the configuration knows of the checks: their names and each one's own parameters."""

from __future__ import annotations

from collections.abc import Mapping

from ermon.checks.catalogue import CATALOGUE
from ermon.checks.parameters import CHECK_PARAMETERS, Parameter

__all__ = ["CHECK_PARAMETERS", "KNOWN_CHECKS", "Parameter"]

KNOWN_CHECKS: Mapping[str, Mapping[str, Parameter]] = {
    name: CHECK_PARAMETERS.get(name, {}) for name in CATALOGUE
}
"""Every check of the catalogue, in its order, with its own parameters."""
