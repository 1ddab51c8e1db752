import pytest

from ermon.init.answers import geo_of


@pytest.mark.parametrize(
    ("location", "geo"),
    [
        ("Chicago", "north-america"),
        ("Amsterdam2", "europe"),
        ("silicon valley", "north-america"),
        ("Newport(Wales)", "europe"),
        ("Tokyo 3", "japan"),
        ("Atlantis", None),
        ("2", None),
    ],
)
def test_the_region_of_a_location(location, geo):
    assert geo_of(location) == geo
