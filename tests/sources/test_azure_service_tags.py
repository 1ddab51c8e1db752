import pytest

from ermon.sources.azure import parse_service_tags
from ermon.sources.published import SourceError
from tests.sources.lists import SERVICE_TAGS_FILE, SERVICE_TAGS_REST, encode, tags_document, texts

BOTH_FORMS = pytest.mark.parametrize("form", [SERVICE_TAGS_FILE, SERVICE_TAGS_REST], ids=["file", "REST"])


@BOTH_FORMS
@pytest.mark.parametrize(
    ("select", "expected"),
    [
        (("Storage.WestEurope",), ["192.0.2.128/26", "2001:db8:41::/48"]),
        (("storage.westeurope",), ["192.0.2.128/26", "2001:db8:41::/48"]),
        (("AzureActiveDirectory",), ["203.0.113.0/26"]),
        (
            ("Storage", "Storage.WestEurope"),
            ["192.0.2.0/25", "192.0.2.128/26", "2001:db8:40::/47", "2001:db8:41::/48"],
        ),
    ],
)
def test_tags_are_selected(form, select, expected):
    published = parse_service_tags(encode(form), select)
    assert texts(published) == expected
    assert published.version == "63"


@BOTH_FORMS
def test_tags_must_be_selected(form):
    with pytest.raises(SourceError, match=r"select: must name tags, such as Storage\.WestEurope"):
        parse_service_tags(encode(form), ())


@BOTH_FORMS
def test_an_unknown_tag_is_named_with_a_similar_one(form):
    with pytest.raises(
        SourceError, match=r"no service tag 'Storage\.WestEuropa'; did you mean 'Storage\.WestEurope'"
    ):
        parse_service_tags(encode(form), ("Storage", "Storage.WestEuropa"))


def test_a_tag_may_be_on_a_page_that_a_file_does_not_have():
    with pytest.raises(SourceError, match=r"no service tag 'Sql'.*; the list continues at its nextLink"):
        parse_service_tags(
            encode({**SERVICE_TAGS_REST, "nextLink": "https://management.azure.com/next"}), ("Sql",)
        )


def test_a_tag_may_be_empty():
    assert texts(parse_service_tags(tags_document(), ("Storage",))) == []


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (encode([]), "Expected `object`, got `array`"),
        (encode({"changeNumber": 1}), "missing required field `values`"),
        (
            encode({"changeNumber": None, "values": []}),
            "Expected `int | str`, got `null` - at `$.changeNumber`",
        ),
        (encode({"changeNumber": 1, "values": [{"name": "Storage"}]}), "missing required field `properties`"),
        (
            tags_document("192.0.2.0/24", "192.0.2.1/25"),
            "service tag Storage: '192.0.2.1/25' is not a prefix",
        ),
        (tags_document("2001:db8::1/48"), "service tag Storage: '2001:db8::1/48' is not a prefix"),
        (tags_document(7), "Expected `str`, got `int` - at `$.values[0].properties.addressPrefixes[0]`"),
    ],
)
def test_faults_are_named(document, problem):
    with pytest.raises(SourceError) as error:
        parse_service_tags(document, ("Storage",))
    assert problem in str(error.value)
