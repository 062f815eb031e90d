"""Killed at any moment, an ingest is finished by the next as if nothing had happened.

The whole of it, at every step and by system calls, is ``bench/kill.py``.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kill_harness import Scenario, Server, scenarios

from ragkit import KnowledgeBase
from ragkit.testing import HashEmbedder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")

_EACH = 8
_UNSURE = 4  # the list of files is written once more where a merge in the background ends late


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scenario, Scenario]]:
    with scenarios(tmp_path_factory.mktemp("kills")) as found:
        yield found


def moments(scenario: Scenario) -> list[int]:
    """Some steps, spread over the run, the first and the last one that is sure among them."""
    last = scenario.steps - _UNSURE
    return sorted({1 + round(number * (last - 1) / (_EACH - 1)) for number in range(_EACH)})


@pytest.mark.parametrize("which", [0, 1], ids=["first ingest", "changed folder"])
def test_killed_and_finished_is_as_undisturbed(both: tuple[Scenario, Scenario], which: int) -> None:
    scenario = both[which]
    assert scenario.steps > 100
    assert scenario.expected["health"] == "[]"
    assert scenario.expected["files"] == "[]"
    wrong = {limit: scenario.kill_and_finish(limit) for limit in moments(scenario)}
    assert {limit: found for limit, found in wrong.items() if found} == {}


def test_an_addition_that_is_killed_is_whole_or_never_was(tmp_path: Path) -> None:
    before, after = "We open at nine.", "Later we close at noon."
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        kb.add("Of something else.", path="other.txt")
        kb.add(before, path="hours.txt")
    server, seen, was_late = Server(), set(), False
    try:
        shutil.copytree(tmp_path / "kb", tmp_path / "whole")
        steps = server.ask("add", tmp_path / "whole")["answer"]
        assert steps > 10
        for limit in range(1, steps + 1, 2):
            directory = tmp_path / f"killed-{limit}"
            shutil.copytree(tmp_path / "kb", directory)
            assert server.ask("add", directory, limit=limit)["killed"]
            with KnowledgeBase(directory, embedder=HashEmbedder()) as kb:
                text = kb.text("hours.txt")
                seen.add(text)
                was_late |= any("changed since" in check.message for check in kb.check())
                for mode in ("dense", "lexical"):
                    hits = kb.search(text, k=9, mode=mode)  # type: ignore[arg-type]
                    assert hits[0].text == text, (limit, mode)
                    assert not {before, after} - {text} & {hit.text for hit in hits}
                assert kb.add(after, path="hours.txt").chunks == 1
                assert kb.search(after, k=1)[0].text == after
                wrong = [check for check in kb.check() if check.status == "fail"]
                assert wrong == []
    finally:
        server.close()
    assert seen == {before, after}
    assert was_late  # killed between the commit and the indexes, among others


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler"
)
@pytest.mark.parametrize("fault", ["torn", "full"])
def test_half_written_data_and_a_full_disk_lose_nothing(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, fault: str
) -> None:
    library = tmp_path_factory.mktemp("library") / "disk_faults.so"
    source = Path(__file__).with_name("disk_faults.c")
    command = ["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    environment = {
        "LD_PRELOAD": str(library),
        "DISK_FAULT": fault,
        "DISK_FOLDER": str(tmp_path.resolve()),
    }
    with scenarios(tmp_path.resolve(), environment=environment) as (scenario, _other):
        assert scenario.steps > 500
        for share in (0.02, 0.3, 0.6, 0.9):
            directory = scenario.fresh()
            ended = scenario.ingest(directory, int(scenario.steps * share))
            if fault == "torn":
                assert ended["killed"]
            else:
                assert "error" in ended["answer"], "an error that is none of ragkit's"
            assert scenario.finish(directory) == []
