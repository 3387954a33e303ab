"""`hybridrec token ...`: who may ask the server."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import click

from hybridrec.cli.shared import as_json_option, print_json, with_library
from hybridrec.storage.library import Library
from hybridrec.storage.tokens import ROLES, Role


@click.group()
def token() -> None:
    """Make, list and revoke the access tokens of a server that others can reach."""


@token.command()
@click.argument("name")
@with_library
@click.option("--role", type=click.Choice(ROLES), required=True, help="read asks, write also adds, admin also deletes.")
@click.option("--user", default=None, show_default="everybody", help="The only user whom it serves.")
@as_json_option
def create(name: str, library: str, role: Role, user: str | None, as_json: bool) -> None:
    """Make a token for NAME and print it, this once.

    With --user it opens the plays, the recommendations and the listens of that user, and of nobody else; the
    role says what it may do with them.
    """
    with Library.open(library, create=True) as opened:
        secret = opened.create_token(name, role, user)
    print_json({"name": name, "role": role, "user": user, "token": secret}) if as_json else click.echo(secret)


@token.command("list")
@with_library
@as_json_option
def list_(library: str, as_json: bool) -> None:
    """Who has a token, and what it allows; the tokens themselves are kept nowhere."""
    with Library.open(library) as opened:
        tokens = opened.tokens()
    if as_json:
        print_json([dataclasses.asdict(one) for one in tokens])
        return
    for one in tokens:
        held = "holds" if one.revoked_at is None else f"revoked {_day(one.revoked_at)}"
        whom = one.person or "everybody"
        click.echo(f"{one.name:20} {one.role:5}  for {whom:20}  made {_day(one.created_at)}  {held}")


@token.command()
@click.argument("name")
@with_library
def revoke(name: str, library: str) -> None:
    """Let the token of NAME hold no longer; running servers know it at once."""
    with Library.open(library) as opened:
        opened.revoke_token(name)
    click.echo(f"the token of {name} is revoked")


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
