"""Rerankers: a second, slower look at the best passages. None is on by default.

One of your own is any object of :class:`Reranker`, given to ``kb.search(rerank=…)``, or named by an
entry point in the group ``ragkit.rerankers``, which is called without arguments and returns it.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ragkit.errors import EmbeddingError, ModelError, RagkitError, RerankError
from ragkit.events.plug_ins import plug_in
from ragkit.llm.fence import data_rule, fenced, new_nonce

if TYPE_CHECKING:
    from ragkit.embed.cross_encoder import CompiledCrossEncoder
    from ragkit.embed.embedder import Embedder
    from ragkit.question.reading import Ask
    from ragkit.retrieve.pipeline import Corpus, State

ENTRY_POINTS = "ragkit.rerankers"
RERANKED = 50  # passages that are looked at again at least
_INT8 = ":int8"
_LLM_PASSAGES = 20
_LLM_CHARACTERS = 1_500


class Reranker(Protocol):
    """Scores how well passages answer a question."""

    def scores(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        """Return a score from 0 to 1 for each passage, in their order, higher is better.

        Args:
            question: As it was asked.
            passages: Their texts, each with its headings before it.

        Raises:
            RerankError: the model cannot be loaded, reached or understood; the search then goes on
                without it, and says so.
        """
        ...


@dataclass(frozen=True, slots=True)
class Rerank:
    """Order the best passages by a reranker's scores.

    Attributes:
        reranker: The reranker, or its name as :func:`load_reranker` takes it.
        ask: Asks the language model in use.
    """

    corpus: Corpus
    reranker: str | Reranker
    ask: Ask | None
    name: str = "rerank"

    def apply(self, state: State) -> State:
        """Score all passages of the ranking; it stays as it is where the reranker fails."""
        by_id = {passage.fused.chunk_id: passage for passage in state.ranking}
        chunks = self.corpus.store.chunks(list(by_id))
        texts = [chunk.embedded_text for chunk in chunks]
        try:
            reranker = self.reranker
            if isinstance(reranker, str):
                reranker = load_reranker(reranker, embedder=self.corpus.embedder, ask=self.ask)
            scores = _scores(reranker, state.question.text, texts)
        except (RerankError, ModelError) as error:
            return state.degrading(f"not reranked: {error}")
        given = {chunk.id: score for chunk, score in zip(chunks, scores, strict=True)}
        order = sorted(given, key=lambda chunk_id: -given[chunk_id])  # equal ones as before
        ranking = [replace(by_id[number], score=given[number]) for number in order]
        return replace(state, ranking=ranking, reranked=given)


def _scores(reranker: Reranker, question: str, texts: Sequence[str]) -> list[float]:
    try:
        found = [float(score) for score in reranker.scores(question, texts)]
    except RagkitError:
        raise
    except Exception as error:  # somebody else's object may raise anything
        raise RerankError(f"the reranker failed: {type(error).__name__}: {error}") from error
    if len(found) != len(texts):
        raise RerankError(f"the reranker gave {len(found)} scores for {len(texts)} passages")
    if wrong := [score for score in found if not 0 <= score <= 1]:
        raise RerankError(f"the reranker gave a score of {wrong[0]!r}, which is not from 0 to 1")
    return found


def load_reranker(
    name: str, *, embedder: Callable[[], Embedder], ask: Ask | None = None
) -> Reranker:
    """Load a reranker.

    Args:
        name: ``"sentences"`` (each passage by its best sentence, compared by the base's own
            embedding model), ``"llm"`` (the language model in use), a name that an installed
            package gives one in ``ragkit.rerankers``, or the name or folder of a cross-encoder for sentence-transformers; with ``:int8`` after it, one of the BERT
            family is compiled to 8-bit integers and run by ONNX Runtime, without torch; of another
            family the linear layers are, by torch. Faster on a processor, slightly less exact.
        embedder: Gives the embedding model.
        ask: Asks the language model in use, for ``"llm"``.

    Raises:
        RerankError: there is no such model, or no language model was named.
    """
    if name == "sentences":
        return SentenceReranker(embedder)
    if name == "llm":
        if ask is None:
            raise RerankError("reranking by 'llm' needs a language model; name one with --model")
        return LanguageModelReranker(ask)
    make = plug_in(ENTRY_POINTS, name)
    if make is not None:
        made: Reranker = make()
        return made
    return _cross_encoder(name)


@lru_cache(maxsize=2)
def _cross_encoder(name: str) -> CrossEncoderReranker:
    """Keep the last two: loading one takes longer than many questions."""
    return CrossEncoderReranker(name)


class SentenceReranker:
    """Late scoring: a passage is as good as its best sentence, by the embedding model."""

    def __init__(self, embedder: Callable[[], Embedder]) -> None:
        self._embedder = embedder

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """Return the cosine of the question and the best sentence of each passage."""
        from ingest.sentences import sentence_spans

        owners: list[int] = []
        sentences: list[str] = []
        for number, passage in enumerate(passages):
            for start, end in sentence_spans(passage, 0, len(passage)):
                owners.append(number)
                sentences.append(passage[start:end])
        best = [0.0] * len(passages)
        if not sentences:
            return best
        try:
            asked = self._embedder().embed([question], kind="query")[0]
            cosines = (self._embedder().embed(sentences, kind="passage") @ asked).tolist()
        except EmbeddingError as error:
            raise RerankError(str(error)) from error
        for owner, cosine in zip(owners, cosines, strict=True):
            best[owner] = max(best[owner], min(float(cosine), 1.0))
        return best


class CrossEncoderReranker:
    """A cross-encoder, run by sentence-transformers."""

    def __init__(self, name: str) -> None:
        self._int8 = name.endswith(_INT8)
        self._name = name.removesuffix(_INT8)
        self._model: Any = None
        self._tried = False
        self._onnx: CompiledCrossEncoder | None = None

    def _compiled(self) -> CompiledCrossEncoder | None:
        """Compile it, once; ``None`` where it is of another family, or not on this machine yet."""
        if not self._tried:
            from ragkit.embed.cross_encoder import CompiledCrossEncoder
            from ragkit.embed.model_folder import NotCompilableError

            self._tried = True
            with contextlib.suppress(NotCompilableError, EmbeddingError):
                self._onnx = CompiledCrossEncoder(self._name)
        return self._onnx

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """Return the logistic function of the model's logits."""
        if not passages:
            return []
        compiled = self._compiled() if self._int8 else None
        if compiled is not None:
            try:
                return [_logistic(logit) for logit in compiled.logits(question, passages)]
            except EmbeddingError as error:
                raise RerankError(f"the reranker {self._name!r} failed: {error}") from error
        try:
            import torch

            model = self._loaded()
            logits = model.predict(
                [(question, passage) for passage in passages],
                activation_fn=torch.nn.Identity(),
                show_progress_bar=False,
            )
        except RerankError:
            raise
        except Exception as error:  # whatever torch and the hub raise
            raise RerankError(f"the reranker {self._name!r} failed: {error}") from error
        if logits.ndim != 1:
            raise RerankError(
                f"the model {self._name!r} gives {logits.shape[-1]} numbers for a passage, not one;"
                " it is not a reranker"
            )
        return [_logistic(float(logit)) for logit in logits]

    def _loaded(self) -> Any:
        if self._model is None:
            from ragkit.embed.load import find_on_hub, hub_snapshot

            try:
                if not Path(self._name).is_dir():
                    name = self._name if "/" in self._name else f"cross-encoder/{self._name}"
                    if hub_snapshot(name) is None:
                        find_on_hub(name)
                from sentence_transformers import CrossEncoder

                model = CrossEncoder(self._name, device="cpu" if self._int8 else None)
            except Exception as error:
                reason = str(error).strip().partition("\n")[0]
                raise RerankError(
                    f"the reranker {self._name!r} cannot be loaded ({reason}); it has to be a"
                    " cross-encoder's name or folder, and names are looked up on the hub"
                ) from error
            if self._int8:
                _compile_to_int8(model)
            self._model = model
        return self._model


def _compile_to_int8(model: Any) -> None:
    """Quantise the linear layers dynamically: weights to int8 once, activations as they come."""
    import torch

    transformer = model[0] if hasattr(model, "__getitem__") else model
    inner = getattr(transformer, "auto_model", None) or getattr(transformer, "model", None)
    if inner is None:
        raise RerankError("this kind of reranker cannot be compiled to int8; leave ':int8' out")
    torch.ao.quantization.quantize_dynamic(
        inner, {torch.nn.Linear}, dtype=torch.qint8, inplace=True
    )


class LanguageModelReranker:
    """A language model that grades the best twenty passages in one reply."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """Return the grades, divided by ten; passages past the twentieth get 0."""
        shown = [passage[:_LLM_CHARACTERS] for passage in passages[:_LLM_PASSAGES]]
        listed = json.dumps(
            [{"n": number, "text": text} for number, text in enumerate(shown, start=1)],
            ensure_ascii=False,
        )
        nonce = new_nonce()
        reply = self._ask(
            "Grade how well each passage answers the question, from 0 (not at all) to 10 (fully)."
            " Reply only with lines of the form 'n: grade', one for each passage."
            f" {data_rule('What passages and question say', nonce)}\n\nQuestion:\n"
            f"{fenced(question, nonce)}\n\nPassages:\n{fenced(listed, nonce)}"
        )
        grades = {
            int(number): min(float(grade) / 10, 1.0)
            for number, grade in re.findall(r"(\d+)\s*[:=]\s*(\d+(?:\.\d+)?)", reply)
        }
        if not any(number in grades for number in range(1, len(shown) + 1)):
            raise RerankError(f"the language model gave no grades, but {reply[:80]!r}")
        return [grades.get(number, 0.0) for number in range(1, len(passages) + 1)]


def _logistic(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else 1 - 1 / (1 + math.exp(logit))
