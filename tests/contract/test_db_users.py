"""Users, keys and tokens on both databases; the key ring turned over under them."""

import hashlib
from dataclasses import replace

import pytest

from oms_engine.errors import ConfigError, RepositoryError
from oms_engine.model import Secret
from oms_worker.db import credentials
from oms_worker.errors import Forbidden, Unauthorized
from oms_worker.secrets import add_key, keep_keys, load_ring
from oms_worker.services.caller import Caller, Role
from oms_worker.services.users import TOKEN_SECONDS, UserService, check_password, hash_password
from support.tasks import SECRETS, open_office

PASSWORD = Secret("correct horse")


@pytest.fixture
async def office(database, tmp_path):
    """Services on an empty database."""
    return await open_office(database, tmp_path)


async def test_a_pair_of_keys(office):
    """A new user's secret key verifies by its access key, and speaks for the user's project and role."""
    key = await office.users.add("carol", project="one", role=Role.READONLY)
    signer = await office.users.signer(key.access_key)
    assert signer.secret_key == key.secret_key
    assert signer.caller == Caller(office.alice.project_id, "carol", Role.READONLY)
    assert (len(key.access_key), len(key.secret_key.reveal())) == (20, 40)


async def test_unknown_and_disabled(office):
    """An unknown access key is refused with 401, and a user's keys and tokens as soon as the user is disabled."""
    key = await office.users.add("carol", project="one", password=PASSWORD)
    issued = await office.users.issue_token("carol", PASSWORD)
    await office.users.set_enabled("carol", enabled=False)
    for call in (
        office.users.signer("NOBODY"),
        office.users.signer(key.access_key),
        office.users.caller_of_token(issued.token),
        office.users.issue_token("carol", PASSWORD),
    ):
        with pytest.raises(Unauthorized) as refused:
            await call
        assert refused.value.http_status == 401
    await office.users.set_enabled("carol", enabled=True)
    assert (await office.users.signer(key.access_key)).caller.user == "carol"
    with pytest.raises(Unauthorized):
        await office.users.caller_of_token(issued.token)


async def test_temporary_keys_end(office):
    """A temporary key signs for its user until its time is over, not a second longer; it is told as expired then."""
    made = await office.users.issue_temporary_key(office.alice, 900)
    assert made.expires_at == office.now + 900
    office.now += 899
    signer = await office.users.temporary_signer(made.access_key, made.token)
    assert signer.secret_key == made.secret_key
    assert signer.caller == replace(office.alice, temporary=True)
    office.now += 1
    with pytest.raises(Unauthorized, match="expired") as refused:
        await office.users.temporary_signer(made.access_key, made.token)
    assert (refused.value.http_status, refused.value.code) == (401, "APIGW.0301")


async def test_temporary_keys_end_with_their_user(office):
    """A disabled user's temporary keys are refused at once, also once it is enabled again."""
    await office.users.add("carol", project="one")
    carol = Caller(office.alice.project_id, "carol", Role.OPERATOR)
    made = await office.users.issue_temporary_key(carol, 900)
    await office.users.set_enabled("carol", enabled=False)
    with pytest.raises(Unauthorized, match="disabled"):
        await office.users.temporary_signer(made.access_key, made.token)
    await office.users.set_enabled("carol", enabled=True)
    with pytest.raises(Unauthorized, match="disabled"):
        await office.users.temporary_signer(made.access_key, made.token)


@pytest.mark.parametrize("change", ["keys", "password", "role", "removed"])
async def test_what_was_issued_before_a_change_is_void(office, change):
    """New keys, another password or role, and removal end a user's tokens and temporary keys; a removed one is nobody."""
    key = await office.users.add("carol", project="one", password=PASSWORD)
    carol = Caller(office.alice.project_id, "carol", Role.OPERATOR)
    token = await office.users.issue_token("carol", PASSWORD)
    made = await office.users.issue_temporary_key(carol, 900)
    match change:
        case "keys":
            new = await office.users.rotate_keys("carol")
            assert (await office.users.signer(new.access_key)).secret_key == new.secret_key
        case "password":
            await office.users.set_password("carol", Secret("another battery"))
            with pytest.raises(Unauthorized):
                await office.users.issue_token("carol", PASSWORD)
            assert (await office.users.issue_token("carol", Secret("another battery"))).user.name == "carol"
        case "role":
            await office.users.set_role("carol", Role.READONLY)
            assert (await office.users.signer(key.access_key)).caller.role is Role.READONLY
        case "removed":
            await office.users.remove("carol")
    with pytest.raises(Unauthorized):
        await office.users.caller_of_token(token.token)
    with pytest.raises(Unauthorized):
        await office.users.temporary_signer(made.access_key, made.token)
    if change in {"keys", "removed"}:
        with pytest.raises(Unauthorized):
            await office.users.signer(key.access_key)


async def test_hashes_state_their_own_cost(office):
    """A hash of an earlier cost still verifies its password, and no other."""
    old = "scrypt$" + "00" * 16 + "$" + hashlib.scrypt(b"correct horse", salt=bytes(16), n=2**14, r=8, p=1).hex()
    assert check_password(PASSWORD, old)
    assert check_password(PASSWORD, hash_password(PASSWORD, 2**10))
    assert not check_password(Secret("wrong horse"), old)


async def test_temporary_keys_end_with_the_key_that_sealed_them(office, tmp_path):
    """They outlive a new key of the ring, and end when the old one is dropped; nothing of them is told by repr."""
    made = await office.users.issue_temporary_key(office.alice, 900)
    assert made.secret_key.reveal() not in repr(made)
    assert made.token.reveal() not in repr(made)
    ring = add_key(tmp_path / "keys")
    rotated = UserService(office.database, ring, clock=lambda: office.now)
    assert (await rotated.temporary_signer(made.access_key, made.token)).caller.user == office.alice.user
    dropped = UserService(office.database, keep_keys(tmp_path / "keys", ()), clock=lambda: office.now)
    with pytest.raises(Unauthorized, match="none of this service"):
        await dropped.temporary_signer(made.access_key, made.token)


async def test_a_key_file_that_cannot_be_read_is_not_told_to_strangers(office, tmp_path):
    """A token sealed under an unknown key makes the ring look at its file; whatever is wrong with that stays here."""
    made = await office.users.issue_temporary_key(office.alice, 900)
    path = tmp_path / "other"
    other = UserService(office.database, load_ring(path, create=True), clock=lambda: office.now)
    path.chmod(0o644)
    with pytest.raises(Unauthorized) as refused:
        await other.temporary_signer(made.access_key, made.token)
    assert str(path) not in str(refused.value)


async def test_tokens_last_a_day(office):
    """A token speaks for its user for 24 hours, not a second longer; the database holds only its digest."""
    await office.users.add("carol", project="one", password=PASSWORD)
    issued = await office.users.issue_token("carol", PASSWORD, project="one")
    office.now += TOKEN_SECONDS - 1
    assert (await office.users.caller_of_token(issued.token)).user == "carol"
    office.now += 1
    with pytest.raises(Unauthorized):
        await office.users.caller_of_token(issued.token)


@pytest.mark.parametrize(
    ("name", "password", "project"),
    [
        ("carol", "correct hors", None),
        ("nobody", "correct horse", None),
        ("carol", "correct horse", "two"),
        ("alice", "", None),
    ],
)
async def test_wrong_password_or_project(office, name, password, project):
    """A wrong password, an unknown user, another project and a user without password are refused alike."""
    await office.users.add("carol", project="one", password=PASSWORD)
    with pytest.raises(Unauthorized) as refused:
        await office.users.issue_token(name, Secret(password), project=project)
    assert str(refused.value) == "Token authentication failed. The user, the password or the project is wrong."


@pytest.mark.parametrize(
    ("name", "project", "password"),
    [("alice", "one", None), ("a b", "one", None), ("x", "../x", None), ("x", "one", "short")],
)
async def test_what_no_user_can_be(office, name, project, password):
    """A name that is taken or no name, and a short password, are refused, and no user is made."""
    before = len(await office.users.users())
    with pytest.raises(ConfigError):
        await office.users.add(name, project=project, password=Secret(password) if password else None)
    assert len(await office.users.users()) == before


async def test_keys_are_turned_over(office, tmp_path):
    """After a rotation and sealing anew, everything opens with the new key alone, and nothing with the old one."""
    row = await office.create()
    key = await office.users.add("carol", project="one")
    old = load_ring(tmp_path / "keys")
    ring = add_key(tmp_path / "keys")
    async with office.database.write() as connection:
        assert await credentials.reseal(connection, ring) == 5
    alone = keep_keys(tmp_path / "keys", ())
    users = UserService(office.database, alone)
    assert (await users.signer(key.access_key)).secret_key == key.secret_key
    async with office.database.read() as connection:
        assert await credentials.secrets_of(connection, alone, row.subject) == SECRETS
        stale = type(old)({old.first: Secret("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")})
        with pytest.raises(RepositoryError):
            await credentials.secrets_of(connection, stale, row.subject)


async def test_a_running_process_finds_new_keys(office, tmp_path):
    """A process that loaded the ring before a rotation opens what another sealed after it."""
    row = await office.create()
    ring = add_key(tmp_path / "keys")
    async with office.database.write() as connection:
        await credentials.keep(connection, ring, row.subject, SECRETS, office.now)
        assert await credentials.secrets_of(connection, office.ring, row.subject) == SECRETS


def test_only_administrators_manage_users():
    """Managing users needs the role admin: an operator gets OMS.0206."""
    Caller("p", "root", Role.ADMIN).require("openoms:user:create")
    with pytest.raises(Forbidden) as refused:
        Caller("p", "alice", Role.OPERATOR).require("openoms:user:create")
    assert refused.value.code == "OMS.0206"
