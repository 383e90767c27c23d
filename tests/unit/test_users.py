"""The file of users: passwords, changes while a server runs, broken files, writers at once."""

import json
import logging
import multiprocessing
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from index.errors import UsersError
from ui.entries import write_private
from ui.users import MIN_PASSWORD_CHARS, User, Users

PASSWORD = "correct horse"
HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$tG0PRLXHyWeoHtNJF0ciUe+5qoyspvyl4wJbPFvDb6E"


@pytest.fixture
def users(tmp_path: Path) -> Users:
    return Users(tmp_path / "users.json")


def entry(name: str, **other: Any) -> dict[str, Any]:
    return {"name": name, "is_admin": False, "password": HASH, **other}


def write(users: Users, *entries: dict[str, Any], **other: Any) -> None:
    users.path.write_text(json.dumps({"version": 1, "users": list(entries), **other}))


def test_the_right_password_alone_is_taken(users: Users) -> None:
    assert users.add("Анна", PASSWORD, is_admin=True) == User("Анна", True)
    users.add("Boris", "another one")
    assert users.check("Анна", PASSWORD) == User("Анна", True)
    assert users.check("Boris", "another one") == User("Boris", False)
    for name, password in [("Анна", "another one"), ("Анна", ""), ("Vera", PASSWORD), ("", ""), ("Анна", "\ud800")]:
        assert users.check(name, password) is None
    assert users.all() == [User("Boris", False), User("Анна", True)]


def test_case_and_composition_of_letters_do_not_matter(users: Users) -> None:
    users.add("  Андре\u0438\u0306 ", "па\u0440оль \u0438\u0306")
    assert users.get("андре\u0439") == User("Андре\u0439", False)
    assert users.check("АНДРЕ\u0419", "пароль \u0439") == User("Андре\u0439", False)
    users.add("STRASSE", PASSWORD)
    assert users.get("straße") == User("STRASSE", False)
    assert len(users.all()) == 2


@pytest.mark.parametrize("name", ["", "  ", "a" * 65, "a\nb", "a\0", "a\u202eb", "a\u200bb", "\ud800", "a:b"])
def test_odd_names_are_refused(users: Users, name: str) -> None:
    with pytest.raises(UsersError, match="choose another") as caught:
        users.add(name, PASSWORD)
    assert repr(name) in str(caught.value)
    assert not users.path.exists()


@pytest.mark.parametrize("password", ["", "a" * (MIN_PASSWORD_CHARS - 1), "a" * 1001])
def test_short_and_endless_passwords_are_refused(users: Users, password: str) -> None:
    with pytest.raises(UsersError, match=f"has {len(password)} characters; choose") as caught:
        users.add("Anna", password)
    assert not password or password not in str(caught.value)


def test_names_may_be_as_long_as_they_say_and_be_any_text(users: Users) -> None:
    for name in ["a", "я" * 64, "O'Neil <b>&amp;", "🙂", "name with spaces"]:
        assert users.add(name, "a" * MIN_PASSWORD_CHARS).name == name
    assert len(users.all()) == 5


def test_a_new_password_changes_the_fingerprint_and_keeps_the_rest(users: Users) -> None:
    users.add("Anna", PASSWORD, is_admin=True)
    before = users.fingerprint("ANNA")
    assert before == users.fingerprint("Anna") == Users(users.path).fingerprint("Anna")
    assert users.add("anna", "a new password") == User("anna", True)
    assert users.fingerprint("Anna") not in (before, None)
    assert users.check("Anna", PASSWORD) is None
    assert users.add("anna", "a new password", is_admin=False) == User("anna", False)
    assert users.fingerprint("nobody") is None


def test_removal(users: Users) -> None:
    users.add("Anna", PASSWORD)
    assert users.remove("ANNA") == User("Anna", False)
    assert users.get("Anna") is None
    assert users.all() == []
    with pytest.raises(UsersError, match="no user 'Anna' in .*users list"):
        users.remove("Anna")
    users.require()


def test_the_file_is_private_and_holds_no_password(users: Users) -> None:
    users.add("Anna", PASSWORD)
    users.path.chmod(0o644)
    users.add("Boris", PASSWORD)
    assert stat.S_IMODE(users.path.stat().st_mode) == 0o600
    text = users.path.read_text()
    assert PASSWORD not in text
    hashes = [one["password"] for one in json.loads(text)["users"]]
    assert all(one.startswith("$argon2id$") for one in hashes)
    assert len(set(hashes)) == 2
    assert not list(users.path.parent.glob("*.tmp"))


def test_a_link_stays_a_link_and_a_folder_is_made(tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "made" / "users.json")
    Users(link).add("Anna", PASSWORD)
    assert link.is_symlink()
    assert Users(tmp_path / "made" / "users.json").all() == [User("Anna", False)]


def test_a_change_by_another_counts_at_once(users: Users) -> None:
    other = Users(users.path)
    users.add("Anna", PASSWORD)
    assert other.get("Anna") == User("Anna", False)
    users.add("Anna", PASSWORD, is_admin=True)
    assert other.get("Anna") == User("Anna", True)
    users.remove("Anna")
    assert other.get("Anna") is None


def test_a_missing_file_holds_nobody_but_a_server_refuses_it(users: Users) -> None:
    assert users.all() == []
    with pytest.raises(UsersError, match="users add NAME") as caught:
        users.require()
    assert str(users.path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "EOF"),
        (b"{", "EOF"),
        (b"[]", "object"),
        (b"\xff\xfe", "JSON"),
        (b'{"users": 1}', "users: "),
        (b'{"version": 2, "users": []}', "version: "),
        (b'{"users": [], "more": 1}', "more: "),
        (json.dumps({"users": [{"name": "Anna"}]}).encode(), "users.0.password: "),
        (json.dumps({"users": [entry("Anna", password=PASSWORD)]}).encode(), "no argon2 hash"),
        (json.dumps({"users": [entry("a\nb")]}).encode(), "control"),
        (json.dumps({"users": [entry("Anna", is_admin="yes")]}).encode(), "users.0.is_admin: "),
        (json.dumps({"users": [entry("Anna"), entry("ANNA")]}).encode(), "'ANNA' is in it twice"),
    ],
)
def test_a_broken_file_is_told_with_the_reason_and_left_alone(users: Users, content: bytes, reason: str) -> None:
    users.path.write_bytes(content)
    for act in [users.require, users.all, lambda: users.add("Boris", PASSWORD), lambda: users.remove("Anna")]:
        with pytest.raises(UsersError) as caught:
            act()
        message = str(caught.value)
        assert str(users.path) in message
        assert reason in message
        assert "users add NAME" in message
        assert PASSWORD not in message
        assert HASH not in message
    assert users.path.read_bytes() == content


def test_a_folder_and_a_place_that_cannot_be_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in [tmp_path, tmp_path / "file" / "users.json"]:
        with pytest.raises(UsersError, match="OTVET_USERS"):
            Users(path).require()
        with pytest.raises(UsersError, match="OTVET_USERS"):
            Users(path).add("Anna", PASSWORD)


def test_nobody_gets_in_while_the_file_is_broken_and_it_is_logged_once(
    users: Users, caplog: pytest.LogCaptureFixture
) -> None:
    users.add("Anna", PASSWORD)
    sound = users.path.read_text()
    users.require()
    with caplog.at_level(logging.ERROR):
        for spoil in [lambda: users.path.write_text("{"), users.path.unlink]:
            spoil()
            for _ in range(3):
                assert users.get("Anna") is None
                assert users.check("Anna", PASSWORD) is None
                assert users.fingerprint("Anna") is None
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    users.path.write_text(sound)
    assert users.check("Anna", PASSWORD) == User("Anna", False)
    users.path.write_text("{")
    assert users.get("Anna") is None
    assert len(caplog.records) == 3


def _add(path: Path, name: str) -> None:
    Users(path).add(name, PASSWORD)


def test_writers_at_once_lose_nothing(users: Users) -> None:
    names = [f"user {n}" for n in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: _add(users.path, name), names[:6]))
    processes = [
        multiprocessing.get_context("spawn").Process(target=_add, args=(users.path, name)) for name in names[6:9]
    ]
    for process in processes:
        process.start()
    for name in names[9:]:
        users.add(name, PASSWORD)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert [user.name for user in users.all()] == sorted(names)


def test_readers_never_see_half_a_file(users: Users) -> None:
    write(users, *(entry(f"user {n}") for n in range(300)))
    whole = users.path.read_text()
    reader = Users(users.path)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [write_private(users.path, whole) for _ in range(50)])
        while not writing.done():
            assert len(reader.all()) == 300
        writing.result()


def test_a_write_that_fails_leaves_the_old_file(users: Users) -> None:
    users.add("Anna", PASSWORD)
    before = users.path.read_bytes()
    with pytest.raises(UnicodeEncodeError):
        write_private(users.path, "half\ud800")
    assert users.path.read_bytes() == before
    assert sorted(path.name for path in users.path.parent.iterdir()) == ["users.json", "users.json.lock"]
