from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ermon.core.rib import AdjRibIn
from ermon.model.prefixes import FAMILIES, Prefix, address_count
from tests.model.test_prefixes import small_prefixes
from tests.networks import routes

STEPS = st.lists(st.tuples(st.sampled_from(["come", "go", "ask"]), small_prefixes()), max_size=40)


@given(STEPS)
def test_whenever_it_is_asked_the_count_is_that_of_all_prefixes(steps: list[tuple[str, Prefix]]) -> None:
    table = AdjRibIn()
    for step, prefix in [*steps, ("ask", Prefix(4, 0, 0))]:
        match step:
            case "come":
                table.announce(routes(str(prefix))[0])
            case "go":
                table.withdraw((prefix, None))
            case _:
                for family in FAMILIES:
                    assert table.addresses(family) == address_count(table.prefixes(family))


def test_few_prefixes_beside_many_are_counted_by_themselves() -> None:
    table = AdjRibIn()
    for number in range(40):
        table.announce(routes(f"198.51.{number}.0/24")[0])
    assert table.addresses("ipv4") == 40 * 256
    for text in ("198.51.0.0/25", "203.0.113.0/24", "203.0.113.0/25", "0.0.0.0/0"):
        table.announce(routes(text)[0])
    assert table.addresses("ipv4") == 41 * 256
    table.withdraw(routes("203.0.113.0/24")[0].key)
    assert table.addresses("ipv4") == 40 * 256 + 128
