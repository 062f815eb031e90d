"""``ragkit completion``: the script that teaches a shell to complete ragkit's commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ragkit.cli.common import Command
from ragkit.errors import UsageError

_SHELLS = ("bash", "zsh", "fish", "powershell")


@click.command(
    "completion",
    cls=Command,
    examples=(
        "ragkit completion bash > ~/.local/share/bash-completion/completions/ragkit",
        "ragkit completion zsh > ~/.zfunc/_ragkit",
        "ragkit completion fish > ~/.config/fish/completions/ragkit.fish",
        "ragkit completion powershell >> $PROFILE",
    ),
)
@click.argument("shell", type=click.Choice(_SHELLS))
def command(shell: str) -> None:
    """Print the script for completion in a shell: commands, options, documents, sessions.

    The examples switch it on for good (zsh wants fpath+=~/.zfunc before compinit in ~/.zshrc).
    Only for the shell you are in: eval "$(ragkit completion bash)"
    """
    from ragkit.cli.app import cli

    completion = get_completion_class(shell)
    if completion is None:
        raise UsageError(f"completion in {shell} needs a newer click; run: pip install -U click")
    click.echo(completion(cli, {}, "ragkit", "_RAGKIT_COMPLETE").source())
