"""How much memory the routes of a feed take: an estimate, updated in constant time for each route change.

``tests/core/test_held_bytes.py`` compares it with the size that Python reports.
"""

from __future__ import annotations

from dataclasses import dataclass

from ermon.checks.topics import RouteSet
from ermon.model.routes import ROUTE_BYTES, Attributes


@dataclass(slots=True)
class Shared:
    """Path attributes that routes of a feed share, and what was found out about them."""

    attributes: Attributes
    routes: int = 0
    sorted_by: tuple[object, ...] = ()
    """What the ``sets`` follow from, besides the attributes."""
    sets: tuple[RouteSet, ...] = ()


class HeldBytes:
    """Sums up the memory of a feed's routes. Routes with equal path attributes share one value, which counts once."""

    def __init__(self) -> None:
        self.total = 0
        self._shared: dict[Attributes, Shared] = {}

    def shared(self, attributes: Attributes) -> Attributes:
        """Return the equal value that other routes share already, or else ``attributes`` itself."""
        found = self._shared.get(attributes)
        return attributes if found is None else found.attributes

    def known(self, attributes: Attributes) -> Shared:
        """Return what is known of the attributes of a route that is held."""
        return self._shared[attributes]

    def enter(self, attributes: Attributes) -> Shared:
        """Count a route."""
        found = self._shared.get(attributes)
        if found is None:
            found = self._shared[attributes] = Shared(attributes)
            self.total += attributes.held_bytes
        found.routes += 1
        self.total += ROUTE_BYTES
        return found

    def leave(self, attributes: Attributes) -> None:
        """Count a route no longer."""
        found = self._shared[attributes]
        found.routes -= 1
        self.total -= ROUTE_BYTES
        if not found.routes:
            del self._shared[attributes]
            self.total -= attributes.held_bytes
