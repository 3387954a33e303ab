"""The command line: each command calls one workflow and prints its result."""

from __future__ import annotations

from importlib import import_module

import click

from hybridrec.cli.shared import ErrorLineGroup

_COMMANDS = {
    "ingest": "ingest:ingest",
    "train-encoder": "encoder:train_encoder",
    "fit": "models:fit",
    "tune": "models:tune",
    "evaluate": "evaluate:evaluate",
    "map": "encoder:map_library",
    "recommend": "recommend:recommend",
    "similar": "recommend:similar",
    "serve": "serve:serve",
    "token": "tokens:token",
    "status": "recommend:status",
    "backup": "maintenance:backup",
    "restore": "maintenance:restore",
    "clean-up": "maintenance:clean_up",
    "move-files": "maintenance:move_files",
    "demo": "serve:demo",
}
"""Module in this package and attribute of each command."""


class LazyGroup(ErrorLineGroup):
    """Imports a command's module when the command is asked for, and no other."""

    def list_commands(self, context: click.Context) -> list[str]:
        """All names, sorted."""
        return sorted(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of that name, or None."""
        if name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[name].partition(":")
        command: click.Command = getattr(import_module(f"{__name__}.{module}"), attribute)
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(package_name="hybridrec")
def main() -> None:
    """A hybrid music recommender: blends audio embeddings with collaborative filtering."""
