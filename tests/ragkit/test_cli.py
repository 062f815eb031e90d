"""The command line: what it prints, where, and with which exit code."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import ragkit.embed
from ragkit import KnowledgeBase
from ragkit.cli import cli
from ragkit.cli.app import COMMANDS
from ragkit.errors import LockedError, ModelError
from ragkit.events import Notice, Progress
from ragkit.testing import HashEmbedder

REPOSITORY = Path(__file__).resolve().parents[2]

Run = Callable[..., Result]

DOCUMENTS = {
    "warranty.txt": "The warranty of the pump lasts 24 months from the day of purchase.\n"
    "It does not cover the battery, which is a wearing part.\n",
    "guides/setup.md": "# Setup\n\nFasten the axle with a torque of 40 Nm.\n\n## Küche\n\n"
    "Die Spülmaschine gehört in die Küche, не в ванную.\n",
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "docs"
    for name, text in DOCUMENTS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def base(folder: Path) -> Path:
    directory = folder.parent / "base"
    with KnowledgeBase(directory, embedder=HashEmbedder()) as kb:
        kb.ingest(folder)
    return directory


@pytest.fixture
def own_base(base: Path, tmp_path: Path) -> Path:
    """A copy that the test may change."""
    return Path(shutil.copytree(base, tmp_path / "base"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in this process, with an embedding model that needs no weights."""
    for name in [name for name in os.environ if name.startswith("RAGKIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(ragkit.embed, "load_embedder", lambda *_names, **_options: HashEmbedder())

    def run(*arguments: str | Path, **options: Any) -> Result:
        runner = CliRunner()
        return runner.invoke(cli, [str(item) for item in arguments], **options)

    return run


def document(result: Result) -> Any:
    return json.loads(result.stdout)


def subprocess_run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAGKIT_")}
    environment |= {"PYTHONPATH": str(REPOSITORY), **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "ragkit", *map(str, arguments)],
        capture_output=True,
        env=environment,
        timeout=120,
        check=False,
        **options,
    )


# -- the list of commands -------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_the_help_that_the_list_promises(run: Run, name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    first = result.stdout.split("\n\n")[1].strip()
    assert first.endswith(".")
    assert "Examples:" in result.stdout
    if name != "completion":
        for option in ("--kb DIR", "--json", "-v, --verbose", "RAGKIT_KB"):
            assert option in result.stdout
    assert COMMANDS[name].short_help in run("--help").stdout


def test_help_and_completion_import_no_command() -> None:
    code = (
        "import sys\nfrom ragkit.cli import cli\n"
        "try:\n    cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([n for n in sys.modules if n.startswith('ragkit.cli.')])\n"
        "print({'rich', 'prompt_toolkit', 'numpy', 'sqlite3', 'asyncio'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.splitlines()[-2:] == ["['ragkit.cli.app']", "set()"]


def test_version(run: Run) -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout == f"ragkit {ragkit.__version__}\n"


def test_an_unknown_command_names_the_nearest(run: Run) -> None:
    result = run("serach", "warranty")
    assert result.exit_code == 2
    assert "Did you mean 'search'?" in result.stderr


def test_reference_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, REPOSITORY / "tools" / "cli_reference.py"],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    written = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
    assert done.stdout.decode().replace("\r\n", "\n") == written


# -- ingest ---------------------------------------------------------------------------------------


def test_ingest_reports_as_json(run: Run, folder: Path, tmp_path: Path) -> None:
    bad = tmp_path / "mixed"
    shutil.copytree(folder, bad)
    (bad / "broken.pdf").write_bytes(b"this is no PDF at all, whatever its name says")
    result = run("ingest", bad, "--kb", tmp_path / "kb", "--json")
    assert result.exit_code == 1
    report = document(result)
    assert list(report) == [
        "added",
        "changed",
        "moved",
        "removed",
        "same",
        "failed",
        "warnings",
        "chunks",
        "vectors",
        "seconds",
    ]
    assert report["added"] == ["guides/setup.md", "warranty.txt"]
    assert [item["path"] for item in report["failed"]] == ["broken.pdf"]
    assert report["failed"][0]["reason"]
    assert report["chunks"] == report["vectors"] > 0

    again = document(run("ingest", bad, "--kb", tmp_path / "kb", "--json"))
    assert (again["added"], again["changed"], again["same"]) == ([], [], 2)
    failed = document(run("ls", "--failed", "--kb", tmp_path / "kb", "--json"))
    assert failed == {"failed": report["failed"]}
    lines = run("ls", "--failed", "--kb", tmp_path / "kb")
    assert lines.stdout.startswith("broken.pdf\t")


def test_ingest_tells_people_what_was_done_and_what_to_do_next(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    result = run("ingest", folder, "--kb", tmp_path / "my kb")
    assert result.exit_code == 0
    assert "2 added, 0 unchanged in" in result.stdout
    assert "all with vectors" in result.stdout
    assert f"ragkit ask --kb '{tmp_path / 'my kb'}' \"your question\"" in result.stdout


def test_dry_run_changes_nothing(run: Run, folder: Path, tmp_path: Path) -> None:
    result = run("ingest", folder, "--kb", tmp_path / "kb", "--dry-run")
    assert result.exit_code == 0
    assert "add     warranty.txt" in result.stdout
    assert "Would add 2, change 0, move 0 and remove 0; 0 unchanged." in result.stdout
    assert not (tmp_path / "kb").exists()


def test_ingest_of_an_empty_folder_says_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run("ingest", tmp_path / "empty", "--kb", tmp_path / "kb")
    assert result.exit_code == 0
    assert "The knowledge base is empty" in result.stdout
    assert "no file was found" in result.stdout


@pytest.mark.parametrize("command", ["search", "ask"])
def test_an_empty_base_says_that_it_is_empty(run: Run, tmp_path: Path, command: str) -> None:
    (tmp_path / "empty").mkdir()
    run("ingest", tmp_path / "empty", "--kb", tmp_path / "kb")
    result = run(command, "warranty", "--kb", tmp_path / "kb", "--json")
    assert result.exit_code == 0
    assert "the knowledge base is empty" in document(result)["degraded"][0]


def test_ingest_expands_wildcards_that_the_shell_left(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    result = run("ingest", folder / "*.txt", "--kb", tmp_path / "kb", "--json")
    assert document(result)["added"] == ["warranty.txt"]


def test_ingest_of_a_missing_path(run: Run, tmp_path: Path) -> None:
    result = run("ingest", tmp_path / "nowhere", "--kb", tmp_path / "kb", "--json")
    assert result.exit_code == 2
    error = document(result)["error"]
    assert error["type"] == "UsageError"
    assert "nowhere" in error["message"]
    assert error["message"] in result.stderr


def test_interrupted_ingest_says_what_is_kept(
    run: Run, folder: Path, own_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(KnowledgeBase, "ingest", stop)
    result = run("ingest", folder, "--kb", own_base)
    assert result.exit_code == 130
    assert "Stopped. 2 documents with" in result.stderr
    as_json = run("ingest", folder, "--kb", own_base, "--json")
    assert as_json.exit_code == 130
    assert document(as_json)["error"]["type"] == "Interrupted"


def test_password_comes_from_option_or_environment(
    run: Run, folder: Path, own_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []
    ingest = KnowledgeBase.ingest

    def spy(self: KnowledgeBase, paths: Any, **options: Any) -> Any:
        given.append(options["password"])
        return ingest(self, paths, **options)

    monkeypatch.setattr(KnowledgeBase, "ingest", spy)
    run("ingest", folder, "--kb", own_base, "--password", "s3cret")
    run("ingest", folder, "--kb", own_base, env={"RAGKIT_PASSWORD": "from env"})
    run("ingest", folder, "--kb", own_base)  # nobody to ask here
    assert given == ["s3cret", "from env", None]


def test_away_from_a_terminal_only_notices_are_shown(
    run: Run, folder: Path, own_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest = KnowledgeBase.ingest

    def noisy(self: KnowledgeBase, paths: Any, *, listener: Any, **options: Any) -> Any:
        listener(Progress("load", 1, 2, "files", "warranty.txt"))
        listener(Notice("the model is compiled"))
        return ingest(self, paths, listener=listener, **options)

    monkeypatch.setattr(KnowledgeBase, "ingest", noisy)
    result = run("ingest", folder, "--kb", own_base)
    assert result.stderr == "Note: the model is compiled\n"
    assert "warranty.txt" not in result.stdout


# -- search and ask -------------------------------------------------------------------------------


def test_search_as_json(run: Run, base: Path, folder: Path) -> None:
    result = run("search", "how long is the warranty", "-k", "1", "--kb", base, "--json")
    assert result.exit_code == 0
    found = document(result)
    assert list(found) == ["hits", "degraded", "notes"]
    (hit,) = found["hits"]
    assert set(hit) == {"path", "page", "start", "end", "text", "score", "heading", "ranks"}
    assert set(hit["ranks"]) == {"dense", "lexical", "rerank"}
    assert hit["path"] == "warranty.txt"
    assert hit["page"] is None
    text = (folder / hit["path"]).read_text(encoding="utf-8")
    assert text[hit["start"] : hit["end"]] == hit["text"]
    assert 0 <= hit["score"] <= 1


def test_search_for_people(run: Run, base: Path) -> None:
    result = run("search", "torque", "for", "the", "axle", "--mode", "lexical", "--kb", base)
    first, second = result.stdout.splitlines()[:2]
    assert first.startswith(" 1  guides/setup.md  Setup")
    assert "Fasten the axle with a torque of 40 Nm." in second
    assert "\x1b" not in result.stdout


def test_where_is_exact_and_never_dropped(run: Run, base: Path) -> None:
    def search(*conditions: str) -> Result:
        where = [part for condition in conditions for part in ("--where", condition)]
        return run("search", "warranty", "--mode", "lexical", "--kb", base, "--json", *where)

    assert [hit["path"] for hit in document(search("path=*.txt"))["hits"]] == ["warranty.txt"]
    assert document(search("type=pdf"))["hits"] == []
    assert document(search("type=text", "date>=2100"))["hits"] == []
    for wrong in ("colour=red", "warranty", "date>=soon"):
        result = search(wrong)
        assert result.exit_code == 2
        assert document(result)["error"]["type"] == "UsageError"
    nothing = run("search", "warranty", "--where", "type=pdf", "--kb", base)
    assert nothing.stdout == "Nothing found among the documents that --where allows.\n"


def test_ask_as_json(run: Run, base: Path, folder: Path) -> None:
    result = run("ask", "How long does the warranty last?", "--kb", base, "--json")
    assert result.exit_code == 0
    answer = document(result)
    assert list(answer) == [
        "answer",
        "refused",
        "reason",
        "citations",
        "unsupported",
        "degraded",
        "model",
        "usage",
        "seconds",
        "trace",
        "confidence",
        "reason_code",
        "cached",
        "sure",
        "answerable",
    ]
    assert not answer["refused"]
    assert "24 months" in answer["answer"]
    citation = answer["citations"][0]
    assert list(citation) == ["n", "path", "page", "heading", "line", "start", "end", "quote"]
    text = (folder / citation["path"]).read_text(encoding="utf-8")
    assert text[citation["start"] : citation["end"]] == citation["quote"]

    trace = document(run("trace", answer["trace"], "--kb", base, "--json"))
    assert trace["question"] == "How long does the warranty last?"
    listed = document(run("trace", "--kb", base, "--json"))["traces"]
    assert answer["trace"] in [item["id"] for item in listed]
    tree = run("trace", answer["trace"], "--kb", base)
    assert "question: How long does the warranty last?" in tree.stdout
    assert "warranty.txt" in tree.stdout


def test_ask_for_people(run: Run, base: Path) -> None:
    result = run("ask", "How long does the warranty last?", "--kb", base)
    assert "24 months" in result.stdout
    assert "[1] warranty.txt" in result.stdout


def test_ask_keeps_a_session(run: Run, own_base: Path) -> None:
    run("ask", "How long does the warranty last?", "--session", "alice", "--kb", own_base)
    with KnowledgeBase(own_base) as kb:
        assert len(kb.chat("alice").history) == 2
        assert [info.name for info in kb.sessions()] == ["alice"]


def test_a_refusal_says_why_and_lists_no_sources(run: Run, base: Path) -> None:
    question = "Who won the chess olympiad in Reykjavik?"
    answer = document(run("ask", question, "--kb", base, "--json"))
    assert answer["refused"]
    assert answer["reason"]
    assert answer["citations"] == []
    result = run("ask", question, "--kb", base)
    assert result.exit_code == 0
    assert "[1]" not in result.stdout


def test_question_from_stdin(run: Run, base: Path) -> None:
    result = run("search", "-", "--mode", "lexical", "--kb", base, "--json", input="\ufefftorque\n")
    assert document(result)["hits"][0]["path"] == "guides/setup.md"


@pytest.mark.parametrize("command", ["ask", "search"])
def test_an_empty_question_is_a_usage_error(run: Run, base: Path, command: str) -> None:
    for result in (
        run(command, " ", "--kb", base, "--json"),
        run(command, "-", "--kb", base, "--json", input="\n"),
    ):
        assert result.exit_code == 2
        assert "the question is empty" in document(result)["error"]["message"]
    assert run(command, "--kb", base).exit_code == 2


def test_a_very_long_question(run: Run, base: Path) -> None:
    longest = ("torque " * 20_000)[:100_000]
    result = run("search", "-", "--mode", "lexical", "--kb", base, "--json", input=longest)
    assert result.exit_code == 0
    assert document(result)["hits"][0]["path"] == "guides/setup.md"
    gap = f"what is on page{' ' * 99_000}of the torque"
    for command in ("search", "ask"):
        assert run(command, "-", "--kb", base, "--json", input=gap).exit_code == 0
    result = run("search", "-", "--kb", base, "--json", input="x" * 100_001)
    assert result.exit_code == 2
    assert "100,000" in document(result)["error"]["message"]


# -- what is in it --------------------------------------------------------------------------------


def test_status(run: Run, base: Path) -> None:
    status = document(run("status", "--kb", base, "--json"))
    assert (status["documents"], status["failures"]) == (2, 0)
    assert status["chunks"] == status["vectors"] > 0
    assert status["last_ingest"]
    text = run("status", "--kb", base, "-v").stdout
    assert "Documents       2" in text
    assert "(complete)" in text


def test_ls(run: Run, base: Path) -> None:
    listed = document(run("ls", "--kb", base, "--json"))["documents"]
    assert [(item["path"], item["type"]) for item in listed] == [
        ("guides/setup.md", "markdown"),
        ("warranty.txt", "text"),
    ]
    assert listed[0]["pages"] is None
    rows = [line.split("\t") for line in run("ls", "--kb", base).stdout.splitlines()]
    assert [row[0] for row in rows] == ["guides/setup.md", "warranty.txt"]
    assert {len(row) for row in rows} == {6}
    narrowed = run("ls", "--where", "type=markdown", "--kb", base).stdout
    assert narrowed.startswith("guides/setup.md\t")
    assert run("ls", "--failed", "--where", "type=pdf", "--kb", base).exit_code == 2


def test_rm(run: Run, own_base: Path, folder: Path) -> None:
    nothing = run("rm", "drafts/*", "--kb", own_base, "--json")
    assert nothing.exit_code == 2
    assert "drafts/*" in document(nothing)["error"]["message"]
    result = run("rm", "guides/*", "--kb", own_base, "--json")
    assert result.exit_code == 0
    assert document(result) == {"removed": ["guides/setup.md"]}
    assert [
        item["path"] for item in document(run("ls", "--kb", own_base, "--json"))["documents"]
    ] == ["warranty.txt"]
    assert (folder / "guides" / "setup.md").exists()


def test_doctor_finds_a_sound_base_sound(run: Run, base: Path) -> None:
    result = run("doctor", "--kb", base, "--json")
    report = document(result)
    assert result.exit_code == 0
    assert report["ok"]
    assert {check["status"] for check in report["checks"]} <= {"ok", "warn"}
    assert "OK   database: " in run("doctor", "--kb", base).stdout


def test_rebuild(run: Run, own_base: Path) -> None:
    before = document(run("status", "--kb", own_base, "--json"))
    result = run("rebuild", "--kb", own_base, "--json")
    assert result.exit_code == 0
    after = document(result)
    assert {key: before[key] for key in ("documents", "chunks", "vectors")} == {
        key: after[key] for key in ("documents", "chunks", "vectors")
    }


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        "search warranty",
        "ask warranty",
        "shell",
        "status",
        "ls",
        "rm x",
        "doctor",
        "rebuild",
        "trace",
    ],
)
def test_a_missing_base_is_named_with_a_remedy(run: Run, tmp_path: Path, command: str) -> None:
    directory = tmp_path / "nothing here"
    result = run(*command.split(), "--kb", directory, "--json")
    assert result.exit_code == 3
    error = document(result)["error"]
    assert error["type"] == "NotFoundError"
    assert "nothing here" in error["message"]
    assert f"make one with: ragkit ingest --kb '{directory}' FOLDER" in error["message"]
    assert "Traceback" not in result.stderr
    assert not directory.exists()


def test_a_damaged_base(run: Run, tmp_path: Path, own_base: Path) -> None:
    (own_base / "knowledge.sqlite3").write_bytes(b"not a database, however long this may be" * 99)
    result = run("status", "--kb", own_base, "--json")
    assert result.exit_code == 3
    assert document(result)["error"]["type"] == "CorruptError"


def test_a_base_that_is_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    result = run("status", "--kb", tmp_path / "file", "--json")
    assert result.exit_code == 2


def test_a_locked_base(run: Run, folder: Path, own_base: Path, monkeypatch: Any) -> None:
    def locked(*_arguments: object, **_options: object) -> None:
        raise LockedError("process 17 is writing since 12:00")

    monkeypatch.setattr(KnowledgeBase, "ingest", locked)
    result = run("ingest", folder, "--kb", own_base)
    assert result.exit_code == 3
    assert result.stderr == "Error: process 17 is writing since 12:00\n"


def test_an_unknown_model(run: Run, base: Path) -> None:
    result = run("ask", "warranty", "--model", "oracle", "--kb", base, "--json")
    assert result.exit_code == 2
    assert "oracle" in document(result)["error"]["message"]


@pytest.mark.parametrize(
    "arguments", [["ask", "x", "--jsno", "--json"], ["search", "x", "-k", "0", "--json"]]
)
def test_a_wrong_option_is_json_too(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert document(result)["error"]["type"] == "UsageError"


def test_an_unexpected_error_is_one_sentence(
    run: Run, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(KnowledgeBase, "status", fail)
    result = run("status", "--kb", base)
    assert result.exit_code == 3
    assert "ZeroDivisionError: of all things" in result.stderr
    assert "report it" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Traceback" in run("status", "--kb", base, env={"RAGKIT_DEBUG": "1"}).stderr


def test_a_model_error_is_shown_with_its_exit_code(
    run: Run, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise ModelError("the server did not answer")

    monkeypatch.setattr(KnowledgeBase, "ask", fail)
    result = run("ask", "warranty", "--kb", base)
    assert (result.exit_code, result.stderr) == (3, "Error: the server did not answer\n")


# -- real processes -------------------------------------------------------------------------------


def test_output_is_utf8_json_whatever_the_locale(base: Path) -> None:
    done = subprocess_run(
        "search",
        "Spülmaschine",
        "--mode",
        "lexical",
        "--json",
        "--kb",
        base,
        env={"PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0, done.stderr
    assert "Küche, не в ванную" in json.loads(done.stdout.decode("utf-8"))["hits"][0]["text"]


def test_text_that_the_terminal_cannot_show_is_escaped(base: Path) -> None:
    done = subprocess_run(
        "search",
        "Spülmaschine",
        "--mode",
        "lexical",
        "--kb",
        base,
        env={"PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0, done.stderr
    assert b"K\\xfcche" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX pipes")
def test_a_reader_that_goes_away_is_no_error(base: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-m", "ragkit", "ls", "--kb", str(base)],
        stdout=writer,
        stderr=subprocess.PIPE,
        env=environment,
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 141


SLOW = """
import sys, time
import ragkit.embed
from ragkit.testing import HashEmbedder

class Slow(HashEmbedder):
    def embed(self, texts, *, kind):
        print("embedding", file=sys.stderr, flush=True)
        time.sleep(60)

if "--slow" in sys.argv:
    sys.argv.remove("--slow")
    HashEmbedder = Slow
ragkit.embed.load_embedder = lambda *names, **options: HashEmbedder()
if __name__ == "__main__":
    from ragkit.cli import main
    main()
"""


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_ctrl_c_keeps_what_was_read_and_the_next_run_goes_on(folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text(SLOW, encoding="utf-8")
    command = [sys.executable, str(script), "ingest", str(folder), "--kb", str(tmp_path / "kb")]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(
        [*command, "--slow"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "embedding\n"
        os.killpg(process.pid, signal.SIGINT)
        messages = process.stderr.read()
    assert process.returncode == 130
    assert "(0 with vectors) are kept, " in messages
    assert "to embed are left; run the same command again to go on." in messages
    assert messages.startswith("Stopped. 2 documents with")
    done = subprocess.run([*command, "--json"], capture_output=True, env=environment, check=True)
    report = json.loads(done.stdout)
    assert (report["added"], report["same"]) == ([], 2)
    assert report["vectors"] == report["chunks"] > 0


STUCK = """
import hashlib, sys
import ragkit.embed
from ragkit.testing import HashEmbedder

class Stuck(HashEmbedder):
    def embed(self, texts, *, kind):
        print("embedding", file=sys.stderr, flush=True)
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # minutes of C, deaf to signals

ragkit.embed.load_embedder = lambda *names, **options: Stuck()
if __name__ == "__main__":
    from ragkit.cli import main
    main()
"""


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_ctrl_c_ends_a_library_that_does_not_listen(folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "stuck.py"
    script.write_text(STUCK, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(script), "ingest", str(folder), "--kb", str(tmp_path / "kb")],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "embedding\n"
        os.killpg(process.pid, signal.SIGINT)
        messages = process.stderr.read()
    assert process.returncode == 130
    assert messages.startswith("Stopped. 2 documents with")
    assert "to embed are left" in messages
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        assert kb.ingest(folder).same == 2
        assert {check.status for check in kb.check() if check.name != "sandbox"} == {"ok"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(run: Run, shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_RAGKIT_COMPLETE" in result.stdout


def complete(line: str) -> list[str]:
    words = line.split(" ")
    done = subprocess_run(
        env={
            "_RAGKIT_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        }
    )
    assert done.stderr == b""
    return [item.partition(",")[2] for item in done.stdout.decode().split()]


def test_completion_of_commands_documents_and_sessions(own_base: Path, tmp_path: Path) -> None:
    with KnowledgeBase(own_base, embedder=HashEmbedder()) as kb:
        kb.chat("alice").ask("warranty?")
    assert complete("ragkit s") == ["search", "shell", "serve", "status", "session"]
    assert "--where" in complete("ragkit ask --")
    assert complete(f"ragkit rm --kb {own_base} gui") == ["guides/setup.md"]
    assert complete(f"ragkit ask --kb {own_base} --session a") == ["alice"]
    assert complete(f"ragkit rm --kb {tmp_path / 'none'} gui") == []


# -- at a terminal --------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """An output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, run: Run) -> Callable[..., str]:
    """Run a command whose output is a terminal of 80 columns, and return what it shows."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def show(*arguments: str | Path, stdin: io.StringIO | None = None) -> str:
        screen = Terminal()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", screen)
            patch.setattr(sys, "stderr", screen)
            patch.setattr(sys, "stdin", stdin or io.StringIO())
            with pytest.raises(SystemExit) as ending:
                cli.main([str(item) for item in arguments])
        assert ending.value.code == 0, screen.getvalue()
        return screen.getvalue()

    return show


def test_an_answer_at_a_terminal_links_to_its_source(
    terminal: Callable[..., str], base: Path, folder: Path
) -> None:
    shown = terminal("ask", "How long does the warranty last?", "--kb", base)
    assert "24 months" in shown
    assert (folder / "warranty.txt").resolve().as_uri() in shown
    assert "\x1b]8;" in shown


def test_no_color_is_respected(
    terminal: Callable[..., str], base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b[36m" in terminal("ls", "--kb", base)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[36m" not in terminal("ls", "--kb", base)


def test_search_at_a_terminal_marks_the_words(terminal: Callable[..., str], base: Path) -> None:
    shown = terminal("search", "fastening axles", "--mode", "lexical", "--kb", base)
    assert "\x1b[1;33mFasten\x1b[0m" in shown
    assert "\x1b[1;33maxle\x1b[0m" in shown


def test_ingest_at_a_terminal_shows_progress_and_clears_it(
    terminal: Callable[..., str], folder: Path, tmp_path: Path
) -> None:
    shown = terminal("ingest", folder, "--kb", tmp_path / "kb")
    bars, cleared, summary = shown.rpartition("\x1b[2K")
    assert "Reading" in bars
    assert "2/2 files" in bars
    assert cleared
    assert summary.strip().startswith("2 added, 0 unchanged in")


def test_rm_asks_at_a_terminal(terminal: Callable[..., str], own_base: Path) -> None:
    shown = terminal("rm", "guides/*", "--kb", own_base, stdin=Terminal("n\n"))
    assert "Remove 1 document from the knowledge base?" in shown
    assert "Nothing was removed." in shown
    shown = terminal("rm", "guides/*", "--kb", own_base, stdin=Terminal("y\n"))
    assert "Removed 1 document." in shown


@pytest.mark.parametrize(
    "option", [("--timeout", "0"), ("--memory", "10"), ("--max-file-size", "0"), ("--workers", "0")]
)
def test_limits_that_nothing_could_be_read_with_are_refused(
    run: Run, tmp_path: Path, option: tuple[str, str]
) -> None:
    result = run("ingest", tmp_path, *option, "--kb", tmp_path / "kb")
    assert result.exit_code == 2
    assert option[0] in result.stderr


def test_limits_of_the_command_line_reach_the_loaders(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "small.txt").write_text("The warranty lasts two years.", encoding="utf-8")
    (folder / "large.txt").write_text("word " * 300_000, encoding="utf-8")
    (folder / "long.html").write_text("<p>Many words.</p>" * 25_000, encoding="utf-8")
    options = ("--max-file-size", "1", "--timeout", "1", "--workers", "1", "--memory", "900")
    result = run("ingest", folder, *options, "--kb", tmp_path / "kb", "--json")
    assert result.exit_code == 1
    report = document(result)
    assert report["added"] == ["small.txt"]
    reasons = {note["path"]: note["reason"] for note in report["failed"]}
    assert (
        reasons["large.txt"]
        == "it has 1,500,000 bytes; the limit is 1,000,000 bytes (--max-file-size)"
    )
    assert reasons["long.html"] == "loading it took more than 1 seconds (--timeout); given up"


def test_text_recognition_without_its_package_is_refused_at_once(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    result = run("ingest", tmp_path, "--ocr", "--kb", tmp_path / "kb")
    assert result.exit_code == 2
    assert "pip install 'ragkit[ocr]'" in result.stderr


def test_no_control_character_reaches_the_terminal(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    name = "pump\x9b31m\x85\x7f.txt"
    (folder / name).write_text("The pump lasts three years.", encoding="utf-8")
    kb = str(tmp_path / "kb")
    run("ingest", str(folder), "--kb", kb)
    found = run("search", "How long does the pump last?", "--kb", kb, "--json")
    assert not set(found.stdout) & set(map(chr, range(0x7F, 0xA0)))
    assert json.loads(found.stdout)["hits"][0]["path"] == name
    for wrong in (
        ("search", "x", "--\x1b[31mred"),
        ("\x1b]0;title\x07",),
        ("search", "x", "--where", "\x1b[2Jnothing"),
        ("search", "x", "--mode", "\x9b31m"),
        ("ingest", "nowhere\x1b[2J", "--kb", kb),
    ):
        said = run(*wrong)
        assert said.exit_code == 2, said.output
        assert not set(said.output) & {"\x1b", "\x07", "\x9b"}, repr(said.output)


def test_files_of_a_kind_that_nothing_loads_are_told_on_one_line(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number:02}.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00")
    (folder / "a.txt").write_text("The gate opens at seven.", encoding="utf-8")
    result = run("ingest", folder, "--kb", tmp_path / "kb")
    said = [line for line in result.output.splitlines() if "no loader" in line]
    assert len(said) == 1
    assert "00.png and 29 other files: skipped: no loader for '.png' files" in " ".join(said)
    told = document(run("ingest", folder, "--kb", tmp_path / "kb", "--json"))
    assert len(told["warnings"]) == 30
