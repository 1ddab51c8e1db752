from __future__ import annotations

from tests.web.conftest import client, net, site

__all__ = ["client", "net", "site"]
