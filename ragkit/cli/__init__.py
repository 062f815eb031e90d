"""The command line: ``ragkit`` and its commands, one module each, imported when they are used."""

from ragkit.cli.app import cli, main

__all__ = ["cli", "main"]
