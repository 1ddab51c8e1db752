"""What an alert is called, and where its runbook is: the same whether it is pushed or comes from a rule."""

from __future__ import annotations


def alert_name(check: str) -> str:
    """Return the name of a check's alert: ``pool-leak`` gives ``ErmonPoolLeak``."""
    return "Ermon" + "".join(word.capitalize() for word in check.split("-"))


def runbook_url(external_url: str, check: str) -> str:
    """Return the page of ``ermon explain CHECK`` on an ermon that people reach under ``external_url``."""
    return f"{external_url.rstrip('/')}/runbooks/{check}"
