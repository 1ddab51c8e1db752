"""How much memory the routes of a feed take: an estimate, updated in constant time for each route change.

``tests/core/test_held_bytes.py`` compares it with the size that Python reports.
"""

from __future__ import annotations

from dataclasses import dataclass

from ermon.core.rib import RouteChange
from ermon.model.routes import ROUTE_BYTES, Attributes


@dataclass(slots=True)
class _Shared:
    attributes: Attributes
    routes: int = 0


class HeldBytes:
    """Sums up the memory of a feed's routes. Routes with equal path attributes share one value, which counts once."""

    def __init__(self) -> None:
        self.total = 0
        self._shared: dict[Attributes, _Shared] = {}

    def shared(self, attributes: Attributes) -> Attributes:
        """Return the equal value that other routes share already, or else ``attributes`` itself."""
        found = self._shared.get(attributes)
        return attributes if found is None else found.attributes

    def changed(self, change: RouteChange) -> None:
        if change.new is not None:
            self._enter(change.new.attributes)
        if change.old is not None:
            self._leave(change.old.attributes)

    def _enter(self, attributes: Attributes) -> None:
        found = self._shared.get(attributes)
        if found is None:
            found = self._shared[attributes] = _Shared(attributes)
            self.total += attributes.held_bytes
        found.routes += 1
        self.total += ROUTE_BYTES

    def _leave(self, attributes: Attributes) -> None:
        found = self._shared[attributes]
        found.routes -= 1
        self.total -= ROUTE_BYTES
        if not found.routes:
            del self._shared[attributes]
            self.total -= attributes.held_bytes
