"""The shell is tried around ermon's own web: what it guards there is what must be guarded."""

from tests.web.conftest import client, net, site  # noqa: F401  # fixtures
