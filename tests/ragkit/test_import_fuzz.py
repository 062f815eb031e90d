"""A changed export is refused with one sentence, or imported and works; nothing stays of a refused one."""

import contextlib
import sqlite3
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ragkit import CorruptError, import_base
from ragkit.cli import cli
from ragkit.store.schema import VERSION
from ragkit.store.soundness import unsound

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
import import_fuzz

CHANGES = (
    ("UPDATE settings SET value = '-1' WHERE key = 'dimension'", "dimension"),
    ("UPDATE settings SET value = '{' WHERE key = 'fingerprint'", "cannot be read"),
    ("UPDATE vectors SET vector = x''", "vector has a wrong length"),
    ("UPDATE contents SET layout = '{'", "does not match its chunks"),
    ("UPDATE traces SET body = '[1'", "'body' in 'traces'"),
    ("UPDATE documents SET added_at = 1e300", "added_at"),
    ("UPDATE turns SET role = 'system'", "role"),
    ("UPDATE documents SET relative_path = '../a' WHERE id = 1", "leads out of its folder"),
    ("UPDATE chunks SET text = printf('%.*c', 2000000, 'a')", "bytes long"),
    ("UPDATE chunks SET text = CAST(x'ff' AS TEXT)", "cannot be read"),
    ("DELETE FROM settings", "'base' is missing"),
)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return import_fuzz.make_export(tmp_path_factory.mktemp("made"))


def test_sixty_random_changes(export: Path, tmp_path: Path) -> None:
    outcomes = import_fuzz.run(export, tmp_path, 60, 5)
    assert [item for item in outcomes if item.result == "broken"] == []
    assert {item.result for item in outcomes} == {"refused", "works"}


@pytest.mark.parametrize(("statement", "said"), CHANGES)
def test_what_could_not_be_ragkit_s_is_refused_and_told(
    export: Path, tmp_path: Path, statement: str, said: str
) -> None:
    import_base(export, tmp_path / "kb")
    with contextlib.closing(sqlite3.connect(tmp_path / "kb" / "knowledge.sqlite3")) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(statement)
        connection.commit()
        connection.execute("PRAGMA journal_mode = DELETE")
    found = unsound(tmp_path / "kb")
    assert found is not None and said in found
    # Opened as it is: whatever comes of it, it is no bug.
    for command in (["status"], ["ls"], ["trace"], ["session", "alice"], ["search", "warranty"]):
        result = CliRunner().invoke(cli, [*command, "--kb", str(tmp_path / "kb")])
        assert "This is a bug" not in result.output
    numbers = {"format": 1, "schema": VERSION, "documents": 2, "chunks": 2, "vectors": 2}
    import_fuzz.pack(tmp_path / "kb" / "knowledge.sqlite3", tmp_path / "changed.ragkit", numbers)
    with pytest.raises(CorruptError, match="nothing was imported"):
        import_base(tmp_path / "changed.ragkit", tmp_path / "new")
    assert not list((tmp_path / "new").glob("knowledge*"))


def test_a_sound_base_is_found_sound(export: Path, tmp_path: Path) -> None:
    import_base(export, tmp_path / "kb")
    assert unsound(tmp_path / "kb") is None
