"""The README's Python examples run as they stand."""

import re
import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example(
    number: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(REPOSITORY / "sample_docs", tmp_path / "sample_docs")
    monkeypatch.chdir(tmp_path)
    exec(compile(EXAMPLES[number], f"README.md example {number + 1}", "exec"), {})
    assert capsys.readouterr().out.strip()
