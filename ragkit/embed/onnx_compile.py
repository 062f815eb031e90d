"""Compiling a sentence encoder to ONNX, once for each user, and checking it against the original.

None of this is imported once there is a compiled model in the cache.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ragkit.embed.bert_graph import Precision, build_graph
from ragkit.embed.model_cache import (
    COMPILER_VERSION,
    MANIFEST_FILE,
    MODEL_FILE,
    Compiled,
    Form,
    find_compiled,
    write_note,
)
from ragkit.embed.model_folder import ModelFolder, NotCompilableError, sha256_of
from ragkit.embed.onnx_runtime import OnnxEncoder
from ragkit.embed.reference import (
    NoReferenceError,
    ReferenceRun,
    packaged_reference,
    reference_passages,
)
from ragkit.errors import EmbeddingError
from ragkit.events import Listener, Notice, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragkit.embed.tokenizer import FastTokenizer

# Mean cosine to the original's vectors over the reference passages.
_LEAST_INT8 = 0.99
_LEAST_FLOAT32 = 0.999

_STEPS = 3


@dataclass(frozen=True, slots=True)
class Agreement:
    """How close vectors are to the original's: cosines over the reference passages."""

    mean: float
    least: float


def compile_model(
    model: ModelFolder,
    weights_sha256: str,
    tokenizer: FastTokenizer,
    folder: Path,
    listener: Listener,
) -> Compiled:
    """Compile ``model`` into ``folder``, unless another process has just done so.

    Raises:
        OSError: ``folder`` cannot be written.
    """
    from filelock import FileLock, Timeout

    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        listener(Notice("Another process is preparing the embedding model; waiting for it."))
        lock.acquire()
    try:
        found = find_compiled(folder)
        if found is not None:
            return found
        listener(Notice(_announcement(folder)))
        return _compile(model, weights_sha256, tokenizer, folder, listener)
    finally:
        lock.release()


def _announcement(folder: Path) -> str:
    if folder.exists():
        return f"The compiled embedding model in {str(folder)!r} is damaged; making it anew."
    return "Preparing the embedding model for this computer, once: it will then start faster."


def _compile(
    model: ModelFolder,
    weights_sha256: str,
    tokenizer: FastTokenizer,
    folder: Path,
    listener: Listener,
) -> Compiled:
    with tempfile.TemporaryDirectory(prefix=".compiling-", dir=folder.parent) as name:
        work = Path(name)
        form, reason, agreements = _choose_form(model, weights_sha256, tokenizer, work, listener)
        manifest: dict[str, object] = {
            "form": form,
            "reason": reason,
            "compiler": COMPILER_VERSION,
            "weights_sha256": weights_sha256,
            "agreement": {form: asdict(agreement) for form, agreement in agreements.items()},
        }
        result = work / "result"
        result.mkdir()
        if form != "none":
            file = (work / f"{form}.onnx").replace(result / MODEL_FILE)
            state = file.stat()
            manifest["size"] = state.st_size
            manifest["mtime_ns"] = state.st_mtime_ns
            manifest["sha256"] = sha256_of(file)
        write_note(result / MANIFEST_FILE, manifest)
        if folder.exists():
            shutil.rmtree(folder)
        result.rename(folder)
    if reason:
        remedy = f"To try again, delete {str(folder)!r}."
        listener(Notice(f"The embedding model runs in a slower form: {reason}. {remedy}"))
    listener(Progress("compile", _STEPS, _STEPS, "steps", "done"))
    return Compiled(folder, form, reason)


def _choose_form(
    model: ModelFolder,
    weights_sha256: str,
    tokenizer: FastTokenizer,
    work: Path,
    listener: Listener,
) -> tuple[Form, str, dict[Form, Agreement]]:
    """Write ``int8.onnx`` or ``float32.onnx`` into ``work``; return which, and why."""
    agreements: dict[Form, Agreement] = {}

    def attempt(precision: Precision) -> NDArray[np.float32]:
        file = work / f"{precision}.onnx"
        file.write_bytes(build_graph(model, precision))
        encoder = OnnxEncoder(file, tokenizer, max_sequence=model.max_sequence)
        return encoder.encode(reference_passages())

    try:
        original = packaged_reference(weights_sha256)
        if original is not None:
            listener(Progress("compile", 0, _STEPS, "steps", "quantising to int8"))
            vectors = attempt("int8")
        else:
            listener(Progress("compile", 0, _STEPS, "steps", "running the original to compare"))
            with ReferenceRun(model.path) as run:
                vectors = attempt("int8")
                original = run.vectors()
        listener(Progress("compile", 1, _STEPS, "steps", "comparing with the original"))
        agreements["int8"] = agreement = _agreement(vectors, original)
        listener(Progress("compile", 2, _STEPS, "steps", f"mean cosine {agreement.mean:.4f}"))
        if agreement.mean >= _LEAST_INT8:
            return "int8", "", agreements
        reason = f"its int8 form has a mean cosine of only {agreement.mean:.4f} to the original"
        agreements["float32"] = agreement = _agreement(attempt("float32"), original)
        if agreement.mean >= _LEAST_FLOAT32:
            return "float32", reason, agreements
        return "none", f"{reason}, its exact form {agreement.mean:.4f}", agreements
    except NoReferenceError as error:
        attempt("float32")
        return "float32", f"the original could not be run to compare ({error})", agreements
    except (NotCompilableError, EmbeddingError) as error:
        return "none", f"it cannot be compiled: {error}", agreements


def _agreement(vectors: NDArray[np.float32], original: NDArray[np.float32]) -> Agreement:
    if vectors.shape != original.shape:
        return Agreement(0.0, 0.0)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(original, axis=1)
    cosines = (vectors * original).sum(axis=1) / np.maximum(lengths, 1e-12)
    return Agreement(round(float(cosines.mean()), 6), round(float(cosines.min()), 6))
