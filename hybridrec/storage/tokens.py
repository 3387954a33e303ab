"""Access tokens of the server."""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from sqlalchemy import Connection, func, insert, or_, select, update

from hybridrec.data.plays import MAX_ID_CHARACTERS
from hybridrec.errors import Conflict, InvalidInput, NotFound
from hybridrec.files import sha256_of
from hybridrec.storage import schema
from hybridrec.storage.database import Database, retry_once

Role = Literal["read", "write", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""What a token allows: to read, also to add, also to delete."""

_SECRET_BYTES = 32
_MAX_SECRET_CHARACTERS = 200
_COLUMNS = [
    schema.tokens.c[name]
    for name in ("name", "role", "listener", "person", "created_at", "revoked_at")
]


@dataclass(frozen=True)
class Token:
    """What is known of a token; the token itself is shown once and not stored.

    Attributes:
        name: of its holder, as the operator chose.
        role: what it allows.
        listener: the user of the listens that are submitted with it.
        person: the only user whose data it opens; None: those of all.
        created_at, revoked_at: UTC, in seconds since 1970; `revoked_at` is None while it is valid.
    """

    name: str
    role: Role
    listener: str
    created_at: float
    revoked_at: float | None = None
    person: str | None = None

    def allows(self, role: Role) -> bool:
        """Whether it allows what a role allows."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def serves(self, user: str) -> bool:
        """Whether it opens the data of a user."""
        return self.person is None or self.person == user


class TokenStore:
    """The methods of a library for tokens, of which it stores the SHA-256 only.

    A token is 256 random bits, beyond guessing, so it needs no slow hash as a password does.
    """

    _database: Database

    def create_token(self, name: str, role: Role, person: str | None = None) -> str:
        """Make a token and return it; it cannot be shown again.

        Args:
            name: of its holder; free again when the token is revoked.
            role: what it allows.
            person: the only user whose data it opens, and the user of the listens submitted with
                it; None: it opens all data, and its listens are of the user named as the token.

        Raises:
            Conflict: if a valid token has that name.
            InvalidInput: for a name that is empty or too long.
        """
        if not 1 <= len(name) <= MAX_ID_CHARACTERS:
            raise InvalidInput(
                f"a token's name must have 1 to {MAX_ID_CHARACTERS} characters", got=name[:40]
            )
        token = secrets.token_urlsafe(_SECRET_BYTES)
        row = {
            "name": name,
            "role": role,
            "listener": person or name,
            "person": person,
            "digest": _digest(token),
        }
        with self._database.write() as connection:
            holds = select(schema.tokens.c.key).where(
                schema.tokens.c.name == name, schema.tokens.c.revoked_at.is_(None)
            )
            if connection.scalar(holds) is not None:
                raise Conflict(
                    "a token of that name holds already",
                    got=name,
                    fix="revoke it, or choose another name",
                )
            connection.execute(insert(schema.tokens), row | {"created_at": time.time()})
        return token

    @retry_once
    def token(self, given: str) -> Token | None:
        """The token that a caller gave, or None if it is unknown or revoked."""
        digest = _digest(given[:_MAX_SECRET_CHARACTERS])
        query = select(*_COLUMNS, schema.tokens.c.digest).where(schema.tokens.c.digest == digest)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        holds = (
            row is not None and hmac.compare_digest(row.digest, digest) and row.revoked_at is None
        )
        return _token(row) if row is not None and holds else None

    @retry_once
    def tokens(self) -> list[Token]:
        """All tokens in order of creation, including revoked ones."""
        with self._database.read() as connection:
            return [
                _token(row)
                for row in connection.execute(select(*_COLUMNS).order_by(schema.tokens.c.key))
            ]

    @retry_once
    def has_tokens(self) -> bool:
        """Whether there is a valid token."""
        query = (
            select(func.count())
            .select_from(schema.tokens)
            .where(schema.tokens.c.revoked_at.is_(None))
        )
        with self._database.read() as connection:
            return bool(connection.scalar(query))

    @retry_once
    def revoke_token(self, name: str) -> None:
        """Revoke a token, from the next request on.

        Raises:
            NotFound: if no valid token has that name.
        """
        holds = (schema.tokens.c.name == name) & schema.tokens.c.revoked_at.is_(None)
        with self._database.write() as connection:
            if (
                connection.execute(
                    update(schema.tokens).where(holds).values(revoked_at=time.time())
                ).rowcount
                == 0
            ):
                raise NotFound(
                    "no token of that name holds", got=name, fix="see `hybridrec token list`"
                )


def forget_holder(connection: Connection, user: str) -> int:
    """Revoke and anonymise the tokens of a user, within a transaction; returns how many."""
    tokens = schema.tokens.c
    query = select(tokens.key, tokens.revoked_at, tokens.person)
    hers = or_(*(column == user for column in (tokens.name, tokens.listener, tokens.person)))
    rows = connection.execute(query.where(hers)).all()
    for row in rows:
        unknown_user = f"forgotten-{secrets.token_hex(8)}"
        revoked_at = time.time() if row.revoked_at is None else row.revoked_at
        person = None if row.person is None else unknown_user
        changed = {
            "name": unknown_user,
            "listener": unknown_user,
            "person": person,
            "revoked_at": revoked_at,
        }
        connection.execute(update(schema.tokens).where(tokens.key == row.key).values(changed))
    return len(rows)


def _digest(token: str) -> str:
    return sha256_of(token.encode("utf-8", "replace"))


def _token(row: Any) -> Token:
    return Token(
        row.name, cast(Role, row.role), row.listener, row.created_at, row.revoked_at, row.person
    )
