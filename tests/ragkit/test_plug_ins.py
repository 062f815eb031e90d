"""What other packages add by entry points: found by name, and told of plainly where it fails."""

from pathlib import Path

import pytest

from ragkit.errors import UsageError
from ragkit.events.plug_ins import plug_in, plug_in_names


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path in which a package with entry points is installed."""
    (tmp_path / "made_elsewhere.py").write_text("def make():\n    return 'made'\n")
    (tmp_path / "made_broken.py").write_text("import not_there_at_all\n")
    metadata = tmp_path / "made_elsewhere-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: made-elsewhere\nVersion: 1.0\n"
    )
    (metadata / "entry_points.txt").write_text(
        "[ragkit.tried]\nworks = made_elsewhere:make\nbroken = made_broken:make\n"
        "missing = made_elsewhere:nothing\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_what_is_named_is_imported(installed: Path) -> None:
    found = plug_in("ragkit.tried", "works")
    assert found is not None and found() == "made"
    assert plug_in("ragkit.tried", "unheard_of") is None
    assert plug_in("ragkit.another", "works") is None
    assert plug_in_names("ragkit.tried") == ["broken", "missing", "works"]


def test_what_cannot_be_imported_says_which_and_why(installed: Path) -> None:
    with pytest.raises(UsageError, match=r"'broken' in 'ragkit.tried' \('made_broken:make'\)"):
        plug_in("ragkit.tried", "broken")
    with pytest.raises(UsageError, match=r"'made_elsewhere:nothing'.*AttributeError"):
        plug_in("ragkit.tried", "missing")


def test_two_packages_with_one_name_are_not_guessed_between(installed: Path) -> None:
    other = installed / "another_one-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: another-one\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text("[ragkit.tried]\nworks = another_one:make\n")
    with pytest.raises(UsageError, match=r"several packages: 'another_one:make', 'made_elsewhere"):
        plug_in("ragkit.tried", "works")
