"""Tests the shell with ermon's own web, which it protects in production."""

from tests.web.conftest import client, net, site  # noqa: F401  # fixtures
