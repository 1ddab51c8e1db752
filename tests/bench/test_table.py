import struct
from collections.abc import Iterator

from tests.bench.table import MAX_MESSAGE, updates

TABLE = updates(5_000, asn=64520, next_hop="192.0.2.1")


def prefixes(update: bytes) -> Iterator[tuple[int, bytes]]:
    (withdrawn,) = struct.unpack_from("!H", update, 19)
    (attributes,) = struct.unpack_from("!H", update, 21 + withdrawn)
    nlri = update[23 + withdrawn + attributes :]
    while nlri:
        size = 1 + (nlri[0] + 7) // 8
        yield nlri[0], nlri[1:size]
        nlri = nlri[size:]


def test_the_table_has_as_many_different_prefixes_as_asked_for() -> None:
    found = [prefix for update in TABLE for prefix in prefixes(update)]
    assert len(found) == len(set(found)) == 5_000


def test_the_table_is_the_same_each_time() -> None:
    assert updates(5_000, asn=64520, next_hop="192.0.2.1") == TABLE


def test_no_update_is_longer_than_a_message_may_be() -> None:
    assert max(map(len, TABLE)) <= MAX_MESSAGE
    big = updates(50_000, asn=64520, next_hop="192.0.2.1")
    assert max(map(len, big)) <= MAX_MESSAGE
