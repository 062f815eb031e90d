"""Documents that are put in without a file."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest import Document, LoadLimits, load
from ragkit import (
    EmbeddingError,
    FingerprintError,
    KnowledgeBase,
    UsageError,
    import_base,
)
from ragkit.testing import HashEmbedder

HOURS = "Opening hours: 9 to 17, on Saturdays from 10."
SAMPLES = Path(__file__).resolve().parents[2] / "sample_docs"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "warranty.md").write_text("# Warranty\n\nThree years.\n", encoding="utf-8")
    return folder


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as base:
        yield base


def paths(kb: KnowledgeBase) -> list[str]:
    return [document.path for document in kb.documents()]


def test_text_makes_a_base_and_is_found_answered_and_filtered(kb: KnowledgeBase) -> None:
    stored = kb.add(HOURS, path="notes/hours.txt", metadata={"owner": "desk", "title": "Hours"})
    assert (stored.path, stored.format, stored.title) == ("notes/hours.txt", "text", "Hours")
    assert stored.chunks == stored.vectors == 1
    assert stored.metadata["owner"] == "desk"
    kb.add("# Prices\n\nA cup of tea costs two euros.", path="prices.md")
    assert kb.search("cup of tea", k=1)[0].heading == "Prices"
    for mode in ("dense", "lexical"):
        [hit] = kb.search("opening hours", k=1, mode=mode, where={"owner": "desk"})
        assert (hit.path, kb.text(hit.path)[hit.start : hit.end]) == ("notes/hours.txt", hit.text)
    assert kb.search("opening hours", where={"owner": "somebody else"}) == []
    assert "9 to 17" in kb.ask("What are the opening hours?", where={"path": "notes/*"}).text
    assert kb.locate("notes/hours.txt") is None
    assert {check.status for check in kb.check() if check.name != "sandbox"} == {"ok"}


def test_no_ingest_touches_it(
    kb: KnowledgeBase, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb.add(HOURS, path="hours.txt")
    assert kb.ingest(docs).added == ("warranty.md",)
    (docs / "warranty.md").unlink()
    report = kb.ingest(docs)
    assert report.removed == ("warranty.md",)
    monkeypatch.chdir(docs)
    kb.ingest(".", dry_run=True)
    kb.ingest(docs.parent)
    kb.ingest(docs / "..")
    assert "hours.txt" in paths(kb)
    watched = kb.watch(docs)
    next(watched)
    assert "hours.txt" in paths(kb)


def test_the_same_path_replaces_it(kb: KnowledgeBase) -> None:
    first = kb.add(HOURS, path="hours.txt", metadata={"owner": "desk"})
    second = kb.add("Closed on Mondays.", path="./hours.txt")
    assert (second.id, second.path, dict(second.metadata)) == (first.id, "hours.txt", {})
    assert kb.text("hours.txt") == "Closed on Mondays."
    assert not any("9 to 17" in hit.text for hit in kb.search(HOURS))
    assert paths(kb) == ["hours.txt"]


def test_a_file_of_the_same_path_stays_beside_it(kb: KnowledgeBase, docs: Path) -> None:
    kb.ingest(docs)
    assert kb.add("Five years.", path="warranty.md").path == "added/warranty.md"
    assert paths(kb) == ["added/warranty.md", "docs/warranty.md"]
    assert kb.add("Six years.", path="warranty.md").path == "added/warranty.md"
    assert kb.text("added/warranty.md") == "Six years."
    assert kb.delete("docs/warranty.md") == ("docs/warranty.md",)
    assert paths(kb) == ["warranty.md"]
    assert kb.text("warranty.md") == "Six years."
    kb.ingest(docs)
    assert kb.delete("added/*") == ("added/warranty.md",)
    assert "Three years." in kb.text("warranty.md")


def test_bytes_are_loaded_as_a_file_would_be(kb: KnowledgeBase) -> None:
    pdf = next(SAMPLES.rglob("*.pdf"))
    expected = load(pdf)
    stored = kb.add(pdf.read_bytes(), path=f"sent/{pdf.name}", metadata={"sender": "Bo"})
    found = kb.document(stored.path)
    assert (found.text, found.pages, found.blocks) == (
        expected.text,
        expected.pages,
        expected.blocks,
    )
    assert found.metadata == {**expected.metadata, "sender": "Bo"}
    page = kb.add("<meta charset=latin-1><p>Tee f\u00fcr zw\u00f6lf</p>", path="page.html")
    assert page.format == "html"
    assert kb.text("page.html") == "Tee für zwölf"


def test_a_document_is_taken_as_it_is(kb: KnowledgeBase) -> None:
    document = Document("One.\n\nTwo.", "mail", title="Letter", metadata={"from": "Bo"})
    stored = kb.add(document, path="letter", metadata={"to": "Zora"})
    assert (stored.format, stored.title) == ("mail", "Letter")
    assert dict(stored.metadata) == {"from": "Bo", "to": "Zora"}
    assert kb.text("letter") == document.text
    assert kb.add(document, path="letter", metadata={"from": "Zora"}).metadata == {"from": "Zora"}


def test_text_is_in_no_encoding_whatever_it_says_of_itself(kb: KnowledgeBase) -> None:
    kb.add("<meta charset=latin-1><p>Tee f\u00fcr zw\u00f6lf</p>", path="page.html")
    assert kb.text("page.html") == "Tee f\u00fcr zw\u00f6lf"
    kb.add("half a sign: \ud83d.", path="half.txt")
    assert kb.text("half.txt").startswith("half a sign: ")
    assert kb.search("half a sign", k=1)[0].path == "half.txt"


def test_passages_of_another_chunker_are_not_mixed_in(
    kb: KnowledgeBase, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb.add(HOURS, path="hours.txt")
    monkeypatch.setattr("ragkit.run.fingerprint.CHUNKER_VERSION", "another")
    with pytest.raises(FingerprintError, match="another version of the chunker"):
        kb.add(HOURS, path="more.txt")
    with pytest.raises(FingerprintError, match="another version of the chunker"):
        kb.ingest(docs)
    assert paths(kb) == ["hours.txt"]


def test_it_outlives_rebuilding_and_a_journey(kb: KnowledgeBase, tmp_path: Path) -> None:
    kb.add(HOURS, path="hours.txt", metadata={"owner": "desk"})
    kb.rebuild(embedder=HashEmbedder(dimension=32))
    assert kb.search("opening hours", k=1, mode="dense")[0].path == "hours.txt"
    kb.export(tmp_path / "export")
    with pytest.raises(UsageError, match="no folder"):
        import_base(tmp_path / "export", tmp_path / "there", folders={"": tmp_path})
    import_base(tmp_path / "export", tmp_path / "there")
    with KnowledgeBase(tmp_path / "there", embedder=HashEmbedder(dimension=32)) as there:
        assert there.search("opening hours", where={"owner": "desk"})[0].path == "hours.txt"
        there.add("Closed.", path="hours.txt")
        assert paths(there) == ["hours.txt"]


@pytest.mark.parametrize(
    ("content", "path", "message"),
    [
        (HOURS, "", "path must be"),
        (HOURS, ".", "path must end in a name"),
        (HOURS, "./", "path must end in a name"),
        (HOURS, "/etc/hours.txt", "relative"),
        (HOURS, "notes/../hours.txt", "relative"),
        (HOURS, "hours\n.txt", "relative"),
        (" \n", "empty.txt", "'empty.txt': it holds no text"),
        ("", "empty.txt", "'empty.txt'"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "photo.png", "'photo.png': no loader"),
        (b"not a pdf", "fake.pdf", "'fake.pdf': not a PDF"),
        (7, "seven.txt", "content must be text"),
    ],
)
def test_what_cannot_be_added_makes_no_base(
    kb: KnowledgeBase, content: str, path: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        kb.add(content, path=path)
    assert not kb.directory.exists()


@pytest.mark.parametrize("metadata", [{"path": "x"}, {"Date": "x"}, {"owner!": "x"}, {"n": 1}])
def test_metadata_that_no_filter_could_name(kb: KnowledgeBase, metadata: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="metadata"):
        kb.add(HOURS, path="hours.txt", metadata=metadata)


def test_limits_hold_for_bytes(kb: KnowledgeBase) -> None:
    with pytest.raises(UsageError, match="limit is 10 bytes"):
        kb.add(b"much more than ten bytes", path="a.txt", limits=LoadLimits(file_bytes=10))
    with pytest.raises(UsageError, match="limit is 10 bytes"):  # a PDF in spite of its name
        kb.add(" %PDF-1.7 and more", path="a.txt", limits=LoadLimits(file_bytes=10))


def test_ocr_is_refused_where_it_is_not_installed(
    kb: KnowledgeBase, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragkit.run.ingestion.find_spec", lambda _name: None)
    for call in (
        lambda: kb.add(b"words", path="a.txt", ocr=True),
        lambda: kb.ingest(docs, ocr=True),
    ):
        with pytest.raises(UsageError, match=r"pip install 'ragkit\[ocr\]'"):
            call()
    assert not kb.directory.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="looks at open files in /proc")
def test_a_closed_base_keeps_no_file_open(tmp_path: Path) -> None:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        kb.add(HOURS, path="hours.txt")
        kb.search("hours")
    left = [path.resolve() for path in Path("/proc/self/fd").iterdir()]
    assert [path for path in left if tmp_path in path.parents] == []


def test_a_path_may_be_longer_than_the_name_of_a_file(kb: KnowledgeBase) -> None:
    path = f"{'long' * 100}.html"
    assert kb.add(f"<h1>Hours</h1><p>{HOURS}</p>".encode(), path=path).path == path
    assert kb.search("opening hours", k=1)[0].heading == "Hours"


def test_nothing_is_stored_where_the_model_fails(tmp_path: Path) -> None:
    class Failing(HashEmbedder):
        fails = False

        def embed(self, texts, *, kind):  # type: ignore[no-untyped-def]
            if self.fails:
                raise EmbeddingError("out of order")
            return super().embed(texts, kind=kind)

    embedder = Failing()
    with KnowledgeBase(tmp_path / "kb", embedder=embedder) as kb:
        kb.add(HOURS, path="hours.txt")
        embedder.fails = True
        with pytest.raises(EmbeddingError, match="out of order"):
            kb.add("Closed.", path="hours.txt")
        embedder.fails = False
        assert kb.text("hours.txt") == HOURS


def test_the_model_works_before_others_are_kept_out(tmp_path: Path) -> None:
    class Meanwhile(HashEmbedder):
        def embed(self, texts, *, kind):  # type: ignore[no-untyped-def]
            if not (tmp_path / "once").exists():
                (tmp_path / "once").touch()
                with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as other:
                    other.add("Closed on Mondays.", path="mondays.txt")
            return super().embed(texts, kind=kind)

    with KnowledgeBase(tmp_path / "kb", embedder=Meanwhile()) as kb:
        kb.add(HOURS, path="hours.txt")
        assert paths(kb) == ["hours.txt", "mondays.txt"]


def test_a_base_that_was_rebuilt_meanwhile_takes_no_vector_of_the_old_model(tmp_path: Path) -> None:
    class Meanwhile(HashEmbedder):
        def embed(self, texts, *, kind):  # type: ignore[no-untyped-def]
            if HOURS in texts[0]:
                with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as other:
                    other.rebuild(embedder=HashEmbedder(dimension=16))
            return super().embed(texts, kind=kind)

    with KnowledgeBase(tmp_path / "kb", embedder=Meanwhile()) as kb:
        kb.add("Closed on Mondays.", path="mondays.txt")
        with pytest.raises(FingerprintError, match="16 dimensions"):
            kb.add(HOURS, path="hours.txt")
        assert paths(kb) == ["mondays.txt"]


ADDER = """
import sys
from ragkit import KnowledgeBase
from ragkit.testing import HashEmbedder

with KnowledgeBase(sys.argv[1], embedder=HashEmbedder()) as kb:
    for number in range(5):
        kb.add(f"{sys.argv[2]} said number{number}.", path=f"{sys.argv[2]}/{number}.txt")
"""


def test_two_processes_add_at_once(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(SAMPLES.parent)}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", ADDER, str(tmp_path / "kb"), name],
            stderr=subprocess.PIPE,
            env=environment,
        )
        for name in ("alice", "zora")
    ]
    ends = [(process.communicate(timeout=300)[1], process.returncode) for process in both]
    assert ends == [(b"", 0), (b"", 0)]
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        assert len(paths(kb)) == 10
        for name in ("alice", "zora"):
            for mode in ("dense", "lexical"):
                hit = kb.search(f"{name} said number3", k=1, mode=mode)[0]
                assert hit.path == f"{name}/3.txt"
        assert {check.status for check in kb.check() if check.name != "sandbox"} == {"ok"}
