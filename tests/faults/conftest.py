from tests.e2e.conftest import directory

__all__ = ["directory"]
