"""`hybridrec token ...`: access tokens of the server."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from hybridrec.cli.shared import LazyChoice, as_json_option, open_library, print_json, with_library

if TYPE_CHECKING:
    from hybridrec.storage.tokens import Role


def _roles() -> Sequence[str]:
    from hybridrec.storage.tokens import ROLES

    return ROLES


@click.group()
def token() -> None:
    """Create, list and revoke access tokens of the server."""


@token.command()
@click.argument("name")
@with_library
@click.option(
    "--role",
    type=LazyChoice(_roles),
    required=True,
    help="read asks, write also adds, admin also deletes.",
)
@click.option(
    "--user",
    default=None,
    show_default="everybody",
    help="The only user whose data the token opens.",
)
@as_json_option
def create(name: str, library: str, role: Role, user: str | None, as_json: bool) -> None:
    """Create a token for NAME and print it; it is not shown again.

    With --user it opens the plays, recommendations and listens of that user and of nobody
    else; the role says what it may do with them.
    """
    with open_library(library, create=True) as opened:
        secret = opened.create_token(name, role, user)
    print_json(
        {"name": name, "role": role, "user": user, "token": secret}
    ) if as_json else click.echo(secret)


@token.command("list")
@with_library
@as_json_option
def list_(library: str, as_json: bool) -> None:
    """List tokens by name and role; the tokens themselves are not stored."""
    with open_library(library) as opened:
        tokens = opened.tokens()
    if as_json:
        print_json([dataclasses.asdict(one) for one in tokens])
        return
    for one in tokens:
        held = "holds" if one.revoked_at is None else f"revoked {_day(one.revoked_at)}"
        whom = one.person or "everybody"
        click.echo(
            f"{one.name:20} {one.role:5}  for {whom:20}  made {_day(one.created_at)}  {held}"
        )


@token.command()
@click.argument("name")
@with_library
def revoke(name: str, library: str) -> None:
    """Revoke the token of NAME, at once and on running servers, too."""
    with open_library(library) as opened:
        opened.revoke_token(name)
    click.echo(f"the token of {name} is revoked")


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
