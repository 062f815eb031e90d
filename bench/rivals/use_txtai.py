"""txtai as its own RAG application sets it up: paragraphs, stored content, hybrid search.

Text comes through ``Segmentation(paragraphs=True)``, the base of ``Textractor``. ``Textractor``
itself reads PDF through an Apache Tika server or Docling, which fetch programs or models at run
time; here pypdf hands it the text page by page. Paragraphs are what blank lines part, and text
without any would be one passage, of which the model reads the beginning: they are cut at
:data:`WORDS` words, as a user who looks at the first answers would do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from harness import TEXT_SUFFIXES, Passage, Query, Search, files_of, model_folder, relative, run

WORDS = 200


def cut(paragraph: str) -> Iterator[str]:
    """Cut a paragraph into pieces of at most so many words, their white space as it is."""
    words = [match.start() for match in re.finditer(r"\S+", paragraph)]
    starts = words[::WORDS]
    for start, end in zip(starts, [*starts[1:], len(paragraph)], strict=True):
        yield paragraph[start:end].rstrip()


class Txtai:
    """Hybrid search: dense and BM25, with txtai's own weights."""

    packages = ("txtai", "transformers", "torch", "faiss-cpu", "pypdf")

    modules = ("txtai", "txtai.pipeline.data.segmentation")

    def prepare(self) -> float:
        """Nothing to do."""
        return 0.0

    def ingest(self, folder: Path, workdir: Path) -> int:
        """Segment, index, save."""
        from pypdf import PdfReader
        from txtai import Embeddings
        from txtai.pipeline.data.segmentation import Segmentation

        segment = Segmentation(paragraphs=True)
        texts: list[str] = []
        places: list[tuple[str, int | None]] = []
        for path in files_of(folder):
            pages: list[tuple[int | None, str]]
            if path.suffix == ".pdf":
                pages = [(n, p.extract_text()) for n, p in enumerate(PdfReader(path).pages, 1)]
            elif path.suffix in TEXT_SUFFIXES:
                pages = [(None, path.read_text(encoding="utf-8"))]
            else:
                continue
            for page, text in pages:
                for piece in (piece for paragraph in segment(text) for piece in cut(paragraph)):
                    texts.append(piece)
                    places.append((relative(path, folder), page))
        embeddings = Embeddings(path=model_folder(), content=True, hybrid=True)
        embeddings.index(
            (number, {"text": text, "path": places[number][0]}, None)
            for number, text in enumerate(texts)
        )
        embeddings.save(str(workdir / "index"))
        (workdir / "places.json").write_text(json.dumps(places), encoding="utf-8")
        return len(texts)

    def open(self, workdir: Path) -> Search:
        """Load the saved index; a passage's place is looked up by its number."""
        from txtai import Embeddings

        embeddings = Embeddings()
        embeddings.load(str(workdir / "index"))
        places = json.loads((workdir / "places.json").read_text(encoding="utf-8"))

        # Conditions apply to as many candidates as similar() is told to find: all of them.
        within = (
            f"select id, text, score from txtai where similar(:question, {len(places)}) "
            "and path = :path"
        )

        def search(query: Query, k: int) -> list[Passage]:
            if query.scope is None:
                rows = embeddings.search(query.question, k)
            else:
                parameters = {"question": query.question, "path": query.scope}
                rows = embeddings.search(within, k, parameters=parameters)
            return [Passage(*places[int(row["id"])], text=row["text"]) for row in rows]

        return search


if __name__ == "__main__":
    run(Txtai())
