"""What the original model makes of the reference passages: what a compiled one must match.

For the default model's weights these vectors come with the package. For any other model they are
computed by ``python -m ragkit.embed.reference MODEL_FOLDER VECTORS.npy``, in a process of its own:
torch takes many seconds to import and hundreds of megabytes, and never enters the process that
embeds. The same command made the file in the package; a test compares the two.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TIMEOUT_SECONDS = 900.0
_LONG = 300  # characters; below it, a passage is a question or a sentence


class NoReferenceError(Exception):
    """The original model could not be run; the message says why."""


def reference_passages() -> list[str]:
    """Return the texts on which a compiled model is compared with the original.

    Questions, sentences, paragraphs, and pairs of paragraphs that fill the model's window.
    """
    text = resources.files("ragkit.embed").joinpath("passages.txt").read_text(encoding="utf-8")
    passages = [passage.strip("\n") for passage in text.split("\n\n")]
    long = [passage for passage in passages if len(passage) > _LONG]
    return passages + [f"{first}\n{second}" for first, second in pairwise([*long, long[0]])]


def packaged_reference(weights_sha256: str) -> NDArray[np.float32] | None:
    """Return the vectors of :func:`reference_passages` for these weights, if they are known.

    Shape (passages, dimension), unit length, kept as float16.
    """
    file = resources.files("ragkit.embed").joinpath(f"reference-{weights_sha256}.npy")
    if not file.is_file():
        return None
    with file.open("rb") as stream:
        vectors: NDArray[np.float32] = np.load(stream, allow_pickle=False).astype(np.float32)
    return vectors


class ReferenceRun:
    """The original model at work in another process, while this one compiles.

    Use it as a context manager: on leaving, the process is ended if it is still running.
    """

    def __init__(self, model_folder: Path) -> None:
        """Start the process.

        Raises:
            NoReferenceError: there is no Python to start.
        """
        if not sys.executable:
            raise NoReferenceError("this program has no Python interpreter to start")
        self._folder = tempfile.TemporaryDirectory(prefix="ragkit-reference-")
        self._vectors = Path(self._folder.name, "vectors.npy")
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path),
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
        arguments = [str(model_folder.absolute()), str(self._vectors)]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ragkit.embed.reference", *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            self._folder.cleanup()
            raise NoReferenceError(f"Python cannot be started: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def vectors(self) -> NDArray[np.float32]:
        """Wait for the vectors of :func:`reference_passages`, shape (passages, dimension).

        Raises:
            NoReferenceError: the original model could not be run.
        """
        try:
            _, said = self._process.communicate(timeout=_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            raise NoReferenceError(f"it took more than {_TIMEOUT_SECONDS:g} seconds") from None
        if self._process.returncode != 0:
            lines = said.decode("utf-8", "replace").strip().splitlines()
            last = lines[-1].strip() if lines else f"exit status {self._process.returncode}"
            raise NoReferenceError(last)
        vectors: NDArray[np.float16] = np.load(self._vectors, allow_pickle=False)
        return vectors.astype(np.float32)


def main(model_folder: str, vectors_file: str) -> None:
    """Embed the reference passages with sentence-transformers and save the vectors."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(model_folder, device="cpu", local_files_only=True)
    vectors = model.encode(
        reference_passages(),
        batch_size=8,
        normalize_embeddings=True,
        convert_to_numpy=True,
        show_progress_bar=False,
    )
    np.save(vectors_file, vectors.astype(np.float16))


if __name__ == "__main__":
    main(*sys.argv[1:])
