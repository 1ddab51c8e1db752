import os

import pytest

from ermon.model.source_key import SourceKey
from ermon.sources.files import load_file, read_file
from ermon.sources.published import SourceError
from tests.sources.lists import tags_document, texts

TAGS = tags_document("192.0.2.0/24", "2001:db8::/32")


@pytest.mark.parametrize(
    "form", ["{}", "file:{}", "{folder}/{}", "file://{folder}/{}", "file://localhost{folder}/{}"]
)
def test_a_file_is_read_from_beside_the_configuration_or_from_its_place(tmp_path, form):
    (tmp_path / "my lists").mkdir()
    (tmp_path / "my lists" / "tags.json").write_bytes(TAGS)
    location = form.format("my lists/tags.json", folder=tmp_path)
    if location.startswith("file:"):
        location = location.replace(" ", "%20")
    assert read_file(location, tmp_path) == TAGS


@pytest.mark.parametrize("name", ["folder", "fifo", "missing", "tags.json/tags.json", "a\0b"])
def test_what_is_no_file_is_told(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "tags.json").write_bytes(TAGS)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SourceError, match=rf"{name} (is not a file|cannot be read: )"):
        read_file(name, tmp_path)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    (tmp_path / "tags.json").write_bytes(TAGS)
    assert read_file("tags.json", tmp_path, len(TAGS)) == TAGS
    with pytest.raises(SourceError, match="is larger than"):
        read_file("tags.json", tmp_path, len(TAGS) - 1)


def test_a_file_is_on_this_host(tmp_path):
    with pytest.raises(SourceError, match="server is another host; write a path, or file:///path"):
        read_file("file://server/tags.json", tmp_path)


def test_a_list_is_loaded_from_a_file(tmp_path):
    (tmp_path / "tags.json").write_bytes(TAGS)
    source = SourceKey("service-tags", "tags.json", ("Storage",))
    assert texts(load_file(source, tmp_path)) == ["192.0.2.0/24", "2001:db8::/32"]
    (tmp_path / "tags.json").write_bytes(tags_document())
    with pytest.raises(SourceError, match="is empty"):
        load_file(source, tmp_path)
