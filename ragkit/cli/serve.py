"""``ragkit serve``: the knowledge base over HTTP, and as a page in the browser."""

from __future__ import annotations

import contextlib
import webbrowser
from pathlib import Path
from typing import Any

import click

from ragkit.cli.common import (
    Command,
    Common,
    common_options,
    embedder_options,
    model_options,
    open_kb,
)
from ragkit.cli.output import print_json
from ragkit.errors import UsageError


@click.command(
    "serve",
    cls=Command,
    examples=(
        "ragkit serve --open",
        "ragkit serve --model ollama:qwen3 --port 8080",
        "ragkit serve --host 0.0.0.0 --token-file token --read-only",
    ),
)
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=7431, show_default=True)
@click.option(
    "--token-file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that holds the token which each request must bear; needed beyond this computer.",
)
@click.option("--read-only", is_flag=True, help="Nothing is uploaded, ingested, deleted or kept.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in the browser.")
@click.option(
    "--base",
    "others",
    metavar="NAME=DIR",
    multiple=True,
    help="Serve this knowledge base too, under a name; repeat for more.",
)
@click.option(
    "--allow-model", "models", metavar="NAME", multiple=True, help="A model that callers may name."
)
@click.option(
    "--allow-host",
    "hosts",
    metavar="NAME",
    multiple=True,
    help="A name that the server is called by.",
)
@click.option(
    "--allow-origin",
    "origins",
    metavar="URL",
    multiple=True,
    help="Another server whose pages may call this one, such as https://chat.example.",
)
@click.option(
    "--folder",
    "folders",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    help="A folder that the page may have brought up to date; repeat for more.",
)
@click.option("--rate", type=click.IntRange(1), help="Requests a minute from one address.")
@click.option(
    "--timeout",
    type=click.FloatRange(1.0),
    default=300.0,
    show_default=True,
    help="Seconds that an answer may take.",
)
@model_options
@embedder_options
@common_options
def command(
    common: Common,
    host: str,
    port: int,
    token_file: Path | None,
    read_only: bool,
    open_page: bool,
    others: tuple[str, ...],
    models: tuple[str, ...],
    hosts: tuple[str, ...],
    origins: tuple[str, ...],
    folders: tuple[Path, ...],
    rate: int | None,
    timeout: float,
    opening: dict[str, Any],
) -> None:
    """Serve the knowledge base: a page in the browser, and an API that other programs speak.

    Only this computer can reach it, unless --host says otherwise, which needs a token. Programs that
    speak OpenAI's API take http://localhost:7431/v1 as its address and any key. Needs
    `ragkit[serve]`.
    """
    try:
        from ragkit.server.launch import serve
        from ragkit.server.served import Served, ServeSettings
    except ImportError as error:
        raise UsageError(
            f"serving needs the package {error.name!r}: pip install 'ragkit[serve]'"
        ) from error
    settings = ServeSettings(
        token=None if token_file is None else _token(token_file),
        read_only=read_only,
        models=models,
        hosts=hosts,
        origins=origins,
        folders=tuple(str(folder.absolute()) for folder in folders),
        rate=rate,
        seconds=timeout,
    )

    def started(address: str) -> None:
        if common.as_json:
            print_json({"address": address})
        else:
            click.echo(f"Serving at {address} (Ctrl-C stops it)", err=True)
            if host not in ("127.0.0.1", "localhost", "::1"):
                click.echo(
                    "Others can reach it, and what is sent is not encrypted: put a server with TLS"
                    " before it.",
                    err=True,
                )
        if open_page:
            webbrowser.open(address)

    with contextlib.ExitStack() as stack:
        bases = {"default": stack.enter_context(open_kb(common, **opening))}
        bases["default"].status()  # says at once what is wrong with it
        for given in others:
            name, sign, directory = given.partition("=")
            if not sign or not directory:
                raise UsageError(f"--base {given!r} is not of the form NAME=DIR")
            other = Common(Path(directory).expanduser(), False, False, common.vector_index)
            bases[name] = stack.enter_context(open_kb(other, **opening))
            bases[name].status()
        serve(Served(bases, settings), host=host, port=port, started=started)


def _token(file: Path) -> str:
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the token file {str(file)!r} cannot be read ({error})") from error
    if not token:
        raise UsageError(f"the token file {str(file)!r} is empty")
    return token
