"""Access tokens: told once, kept as a hash, revoked at once."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from hybridrec.errors import Conflict, InvalidInput, NotFound
from hybridrec.storage.library import Library


def test_a_token_is_known_by_itself_only(library: Library) -> None:
    secret = library.create_token("ann", "write")
    token = library.token(secret)
    assert token is not None
    assert (token.name, token.role, token.listener) == ("ann", "write", "ann")
    for wrong in ("", secret[:-1], secret.swapcase(), f" {secret}", f"{secret}\0", "ä", "\ud800"):
        assert library.token(wrong) is None
    assert len({library.create_token(str(n), "read") for n in range(20)}) == 20


def test_a_role_allows_what_the_lower_ones_allow(library: Library) -> None:
    allowed = {}
    for name in ("read", "write", "admin"):
        token = library.token(library.create_token(name, name))
        assert token is not None
        allowed[name] = [role for role in ("read", "write", "admin") if token.allows(role)]
    assert allowed == {
        "read": ["read"],
        "write": ["read", "write"],
        "admin": ["read", "write", "admin"],
    }


def test_the_library_keeps_no_token(library: Library) -> None:
    secret = library.create_token("ann", "read", person="ann@example")
    with library.engine.connect() as connection:
        kept = str(connection.execute(text("SELECT * FROM tokens")).all())
    assert "ann@example" in kept
    assert secret not in kept


def test_a_token_serves_one_person_or_everybody(library: Library) -> None:
    hers, all_ = (
        library.token(library.create_token(name, "write", who))
        for name, who in (("a", "ann"), ("b", None))
    )
    assert hers is not None
    assert all_ is not None
    assert (hers.listener, hers.serves("ann"), hers.serves("a"), hers.serves("ben")) == (
        "ann",
        True,
        False,
        False,
    )
    assert (all_.listener, all_.serves("ann"), all_.serves("b")) == ("b", True, True)


def test_a_revoked_token_holds_no_longer_and_its_name_is_free(library: Library) -> None:
    first = library.create_token("ann", "read")
    with pytest.raises(Conflict, match="a token of that name holds already; got 'ann'"):
        library.create_token("ann", "admin")
    library.revoke_token("ann")
    assert library.token(first) is None
    assert not library.has_tokens()
    with pytest.raises(NotFound, match="no token of that name holds"):
        library.revoke_token("ann")
    second = library.create_token("ann", "admin")
    assert (library.token(first), library.has_tokens()) == (None, True)
    assert library.token(second) is not None
    assert [token.revoked_at is None for token in library.tokens()] == [False, True]


@pytest.mark.parametrize("name", ["", "x" * 513, "a\0b"])
def test_a_name_must_be_text(library: Library, name: str) -> None:
    with pytest.raises(InvalidInput):
        library.create_token(name, "read")
