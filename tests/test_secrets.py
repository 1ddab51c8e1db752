from dataclasses import replace

import pytest

from ermon.inventory import Collector, Config, Customer, Feed, View
from ermon.secrets import MAX_SECRET_BYTES, SecretError, read_md5_passwords

FEED = Feed("edge-1", View.EDGE_TABLE, "127.0.0.11", "127.0.0.1", 64500, 64500, md5_password_file="edge.key")
OPEN_FEED = replace(FEED, name="open", local="127.0.0.2", md5_password_file=None)


@pytest.fixture
def config_file(tmp_path, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    folder = tmp_path / "etc"
    folder.mkdir()
    return folder / "ermon.yml"


def config(*feeds):
    return Config(Customer(64500), Collector(64500), circuits={}, feeds={feed.name: feed for feed in feeds})


def test_a_key_is_read_from_beside_the_configuration(config_file):
    (config_file.parent / "edge.key").write_text("s3cret\n")
    assert read_md5_passwords(config(FEED, OPEN_FEED), config_file) == {"edge-1": "s3cret"}


def test_the_credentials_directory_comes_first(config_file, tmp_path, monkeypatch):
    (config_file.parent / "edge.key").write_text("old")
    (tmp_path / "edge.key").write_text("new")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_md5_passwords(config(FEED), config_file) == {"edge-1": "new"}


def test_every_key_that_cannot_be_read_is_named_with_where_it_was_looked_for(config_file):
    other = replace(FEED, name="edge-2", local="127.0.0.3", md5_password_file="other.key")
    with pytest.raises(SecretError) as error:
        read_md5_passwords(config(FEED, other), config_file)
    first, second = error.value.problems
    assert first.startswith(f"{config_file}: feeds.edge-1.md5_password_file: there is no file edge.key in")
    assert str(config_file.parent) in first
    assert "other.key" in second


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b" \n", "is empty"), (b"x" * (MAX_SECRET_BYTES + 1), "is larger than"), (b"\xff", "ascii")],
)
def test_what_is_no_key_is_refused(config_file, content, problem):
    (config_file.parent / "edge.key").write_bytes(content)
    with pytest.raises(SecretError, match=problem):
        read_md5_passwords(config(FEED), config_file)
