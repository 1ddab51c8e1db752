"""Compares ExaBGP's decoder, with ermon's reader of its JSON, and ermon's own decoder: they agree on random UPDATEs.

Most of these UPDATEs are broken. ``ERMON_DIFFERENTIAL_UPDATES`` and ``ERMON_DIFFERENTIAL_SEED`` try more of them, and
others. The order does not matter, here nor in the daemon: ExaBGP 5.0.15 caches whole sets of attributes for one session
alone, and for all sessions only attributes that do not depend on what a session has negotiated.
"""

from __future__ import annotations

import os
from collections import Counter
from random import Random

import pytest

from ermon.bgp.update import Codec
from tests.wire.differences import ALLOWED, SAME, compare
from tests.wire.exabgp import negotiated
from tests.wire.generate import CODECS, broken_bodies

UPDATES = int(os.environ.get("ERMON_DIFFERENTIAL_UPDATES", "100000"))
SEED = os.environ.get("ERMON_DIFFERENTIAL_SEED", "0")


def name(codec: Codec) -> str:
    return f"{4 if codec.four_octet else 2} octets, ADD-PATH {'+'.join(sorted(codec.add_path)) or 'off'}"


@pytest.mark.slow
@pytest.mark.parametrize("codec", CODECS, ids=name)
def test_random_updates_are_read_alike(codec: Codec) -> None:
    session = negotiated(codec)
    found: Counter[str] = Counter()
    for body in broken_bodies(Random(f"{SEED} {name(codec)}"), codec, UPDATES // len(CODECS)):
        outcome = compare(body, codec, session)
        assert isinstance(outcome, str), f"{body.hex()} {outcome}"
        found[outcome] += 1
    assert found[SAME] > found.total() // 2
    assert set(found) <= {SAME, *(each.name for each in ALLOWED)}
