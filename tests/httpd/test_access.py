"""Passwords: which users are let in, and what a check costs."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator

import bcrypt
import pytest
from structlog.testing import capture_logs

from ermon.httpd import passwords
from ermon.httpd.passwords import BusyError, Familiar, Passwords
from ermon.httpd.shell import WebConfig
from tests.web.site import Client, Site


def hashed(password: str) -> bytes:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4))


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


ALICE = hashed("pässword")
USERS = {"alice": ALICE, "bob": hashed("b")}


class Bcrypt:
    """Counts the computed hashes, and delays them on request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.against: list[bytes] = []
        self.at_once = self.most_at_once = 0
        self.go_on = asyncio.Event()
        self.go_on.set()
        checkpw = bcrypt.checkpw

        async def on_a_thread(check: object, password: bytes, against: bytes) -> bool:
            self.against.append(against)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            await self.go_on.wait()
            self.at_once -= 1
            return checkpw(password, against)

        monkeypatch.setattr(passwords.asyncio, "to_thread", on_a_thread)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Bcrypt:
    return Bcrypt(monkeypatch)


# Passwords -------------------------------------------------------------------------------------------


async def test_a_right_password_is_remembered(work: Bcrypt):
    checks = Passwords()
    assert await checks.right(USERS, "alice", "pässword", "a")
    assert await checks.right(USERS, "alice", "pässword", "a")
    assert len(work.against) == 1


async def test_a_wrong_password_is_checked_again(work: Bcrypt):
    checks = Passwords()
    for _ in range(2):
        assert not await checks.right(USERS, "alice", "password", "a")
    assert len(work.against) == 2


async def test_a_user_who_does_not_exist_costs_as_much(work: Bcrypt):
    assert not await Passwords().right(USERS, "mallory", "pässword", "a")
    assert work.against == [ALICE]


async def test_a_right_password_is_not_valid_for_another_user(work: Bcrypt):
    checks = Passwords()
    assert await checks.right(USERS, "alice", "pässword", "a")
    assert not await checks.right(USERS, "mallory", "pässword", "a")
    assert not await checks.right(USERS, "bob", "pässword", "a")


async def test_a_changed_password_is_not_remembered(work: Bcrypt):
    checks = Passwords()
    assert await checks.right(USERS, "alice", "pässword", "a")
    assert not await checks.right({"alice": hashed("new")}, "alice", "pässword", "a")
    assert not await checks.right({"bob": hashed("b")}, "alice", "pässword", "a")


async def test_the_memory_of_passwords_is_limited(work: Bcrypt, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(passwords, "REMEMBERED", 1)
    checks = Passwords()
    for user, password in (("alice", "pässword"), ("bob", "b"), ("alice", "pässword")):
        assert await checks.right(USERS, user, password, "a")
    assert len(work.against) == 3


async def test_a_password_longer_than_bcrypt_looks_at(work: Bcrypt):
    users = {"alice": hashed("x" * 72)}
    assert await Passwords().right(users, "alice", "x" * 72 + "y", "a")
    assert not await Passwords().right(users, "alice", "y" * 100, "a")


async def test_one_hash_is_worked_out_at_a_time_and_few_wait(work: Bcrypt):
    checks = Passwords()
    work.go_on.clear()
    async with asyncio.TaskGroup() as group:
        for client in range(passwords.MAX_WAITING):
            group.create_task(checks.right(USERS, "alice", f"guess {client}", str(client)))
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await checks.right(USERS, "alice", "guess", "one more")
        work.go_on.set()
    assert work.most_at_once == 1
    assert await checks.right(USERS, "alice", "pässword", "one more")


async def test_a_client_that_guesses_does_not_hold_up_the_others(work: Bcrypt):
    checks = Passwords()
    work.go_on.clear()
    async with asyncio.TaskGroup() as group:
        for guess in range(passwords.MAX_WAITING_PER_PARTY):
            group.create_task(checks.right(USERS, "alice", f"guess {guess}", "stranger"))
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await checks.right(USERS, "alice", "guess", "stranger")
        honest = group.create_task(checks.right(USERS, "alice", "pässword", "neighbour"))
        work.go_on.set()
    assert honest.result()


async def test_a_password_that_comes_many_times_at_once_is_worked_out_once(work: Bcrypt):
    """A page asks for several things as soon as ermon is there again."""
    checks = Passwords()
    work.go_on.clear()
    many = 2 * passwords.MAX_WAITING_PER_PARTY
    async with asyncio.TaskGroup() as group:
        right = [group.create_task(checks.right(USERS, "alice", "pässword", "a")) for _ in range(many)]
        wrong = [group.create_task(checks.right(USERS, "alice", "guess", "b")) for _ in range(many)]
        await asyncio.sleep(0)
        work.go_on.set()
    assert [task.result() for task in right] == [True] * many
    assert [task.result() for task in wrong] == [False] * many
    assert len(work.against) == 2


async def test_when_the_first_that_asks_goes_away_the_next_one_asks(work: Bcrypt):
    checks = Passwords()
    work.go_on.clear()
    first, second, third = (
        asyncio.create_task(checks.right(USERS, "alice", "pässword", "a")) for _ in range(3)
    )
    await asyncio.sleep(0)
    second.cancel()
    first.cancel()
    await asyncio.sleep(0)
    work.go_on.set()
    assert await third
    assert first.cancelled()
    assert second.cancelled()


# Over HTTP -------------------------------------------------------------------------------------------


@pytest.fixture
def site(site: Site) -> Site:
    site.lifecycle = True
    site.web_config = lambda: WebConfig(users=USERS)
    return site


@pytest.fixture
async def client(site: Site) -> AsyncIterator[Client]:
    async with site.served() as served:
        yield served


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/runbooks/", "/nothing"])
async def test_every_path_wants_a_password(client: Client, path: str):
    response = await client.get(path)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == 'Basic realm="ermon", charset="UTF-8"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_api_says_so_in_json(client: Client):
    response = await client.http.get("/api/v1/status")
    assert response.status == 401
    assert "WWW-Authenticate" in response.headers
    assert (await response.json())["error"] == "send a user name and password as basic authentication"


async def test_the_right_password_opens(client: Client):
    encoded = basic("alice", "pässword")
    assert (await client.text("/-/healthy", Authorization=encoded))[0] == 200
    assert (await client.text("/-/reload", "POST", Authorization=encoded))[0] == 200


async def test_all_requests_of_a_page_after_a_restart_are_answered(client: Client, site: Site):
    takes_its_time = bcrypt.hashpw("pässword".encode(), bcrypt.gensalt(9))
    site.web_config = lambda: WebConfig(users={"alice": takes_its_time})
    encoded = basic("alice", "pässword")
    paths = (
        "/api/v1/status",
        "/api/v1/findings",
        "/api/v1/timeline",
        "/api/v1/caller",
        "/-/healthy",
        "/metrics",
    )
    answers = await asyncio.gather(*(client.text(path, Authorization=encoded) for path in paths))
    assert [status for status, _ in answers] == [200] * len(paths)


@pytest.mark.parametrize(
    "credentials",
    [
        basic("alice", "wrong"),
        basic("mallory", "b"),
        basic("", ""),
        "Basic",
        "Basic %%%",
        "Basic YWxpY2U=",
        "Basic /////w==",
        "Bearer b",
    ],
)
async def test_anything_else_does_not(client: Client, site: Site, credentials: str):
    assert (await client.text("/-/reload", "POST", Authorization=credentials))[0] == 401
    assert site.reloads == 0


async def test_a_refusal_is_logged_without_what_was_given(client: Client):
    with capture_logs() as log:
        for _ in range(2):
            await client.get("/", Authorization=basic("hunter2", "hunter2"))
    assert log == [
        {
            "event": "client refused",
            "log_level": "warning",
            "reason": "wrong user or password",
            "client": "127.0.0.1",
            "count": 1,
        }
    ]


async def test_a_removed_user_is_refused_at_once(client: Client, site: Site):
    config = WebConfig(users=USERS)
    site.web_config = lambda: config
    async with site.served() as served:
        encoded = basic("bob", "b")
        assert (await served.text("/-/healthy", Authorization=encoded))[0] == 200
        config = WebConfig(users={"alice": ALICE})
        assert (await served.text("/-/healthy", Authorization=encoded))[0] == 401


async def test_too_many_guesses_get_a_retry_after(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(passwords, "MAX_WAITING_PER_PARTY", 0)
    response = await client.get("/", Authorization=basic("alice", "wrong"))
    assert (response.status, response.headers["Retry-After"]) == (429, "1")


# Under a flood ---------------------------------------------------------------------------------------


async def flood(group: asyncio.TaskGroup, checks: Passwords, *parties: str) -> None:
    """Let the greatest number of wrong passwords wait, and ignore those beyond it."""

    async def guess(party: str) -> None:
        with contextlib.suppress(BusyError):
            await checks.right(USERS, "alice", "guess", party)

    for party in parties:
        group.create_task(guess(party))
    await asyncio.sleep(0)


async def test_a_client_that_was_right_before_is_checked_first(work: Bcrypt):
    checks = Passwords(Familiar(["prometheus"]))
    work.go_on.clear()
    async with asyncio.TaskGroup() as group:
        await flood(group, checks, *map(str, range(40)))
        right = group.create_task(checks.right(USERS, "bob", "b", "prometheus"))
        await asyncio.sleep(0)
        work.go_on.set()
    assert right.result()
    assert work.against.index(USERS["bob"]) <= 1, "only the one that was begun is before it"


async def test_a_party_that_was_wrong_comes_after_one_that_was_not(work: Bcrypt):
    checks = Passwords()
    strangers = [str(number) for number in range(passwords.MAX_WAITING)]
    async with asyncio.TaskGroup() as group:
        await flood(group, checks, *strangers)
    work.against.clear()
    work.go_on.clear()
    async with asyncio.TaskGroup() as group:
        await flood(group, checks, *strangers)
        right = group.create_task(checks.right(USERS, "bob", "b", "new here"))
        await asyncio.sleep(0)
        work.go_on.set()
    assert right.result()
    assert work.against.index(USERS["bob"]) <= 1


async def test_a_request_that_loses_its_turn_gets_a_retry_after(work: Bcrypt):
    checks = Passwords(Familiar(["prometheus"]))
    work.go_on.clear()
    async with asyncio.TaskGroup() as group:
        last = [group.create_task(_busy(checks, str(number))) for number in range(passwords.MAX_WAITING)]
        await asyncio.sleep(0)
        group.create_task(checks.right(USERS, "bob", "b", "prometheus"))
        await asyncio.sleep(0)
        work.go_on.set()
    assert [each.result() for each in last] == [False] * (passwords.MAX_WAITING - 1) + [True]


async def _busy(checks: Passwords, party: str) -> bool:
    try:
        await checks.right(USERS, "alice", "guess", party)
    except BusyError:
        return True
    return False


async def test_a_request_that_is_given_up_delays_no_other(work: Bcrypt):
    checks = Passwords()
    work.go_on.clear()
    async with asyncio.TaskGroup() as group:
        group.create_task(checks.right(USERS, "alice", "guess", "first"))
        await asyncio.sleep(0)
        gone = asyncio.ensure_future(checks.right(USERS, "alice", "guess", "gone"))
        honest = group.create_task(checks.right(USERS, "bob", "b", "honest"))
        await asyncio.sleep(0)
        gone.cancel()
        work.go_on.set()
    assert honest.result()


async def test_a_party_is_familiar_once_it_was_right(work: Bcrypt, monkeypatch: pytest.MonkeyPatch):
    kept: list[list[str]] = []
    familiar = Familiar(["old"], kept.append)
    checks = Passwords(familiar)
    assert not await checks.right(USERS, "bob", "a", "here")
    assert ("old" in familiar, "here" in familiar) == (True, False)
    for _ in range(2):
        assert await checks.right(USERS, "bob", "b", "here")
    assert kept == [["old", "here"]]
    monkeypatch.setattr(passwords, "MAX_FAMILIAR", 2)
    assert await checks.right(USERS, "alice", "pässword", "there")
    assert kept[1:] == [["here", "there"]]
