"""Files go to the loader that fits them, and every failure has a reason."""

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import ingest
from ingest import Block, Document, LoaderSpec, Source, load, register
from ingest.errors import (
    EncryptedError,
    LoadError,
    NoTextError,
    TooLargeError,
    UnreadableError,
    UnsupportedFormatError,
    WrongFormatError,
)
from ingest.loaders import registry

REPOSITORY = Path(__file__).resolve().parents[2]
PDF = REPOSITORY / "sample_docs" / "legal" / "warranty-terms.pdf"


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_registered", {})
    registry._installed.cache_clear()
    yield
    registry._installed.cache_clear()


def write(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def load_recipe(source: Source) -> Document:
    text = source.data.decode("ascii")
    return Document(text=text, format="recipe", blocks=(Block("paragraph", 0, len(text)),))


def load_badly(source: Source) -> Document:
    raise KeyError("ingredients")


def plug_in(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    def points(*, group: str) -> list[EntryPoint]:
        return [EntryPoint(name, value, group)]

    monkeypatch.setattr(registry, "entry_points", points)


RECIPE = LoaderSpec("recipe", (".recipe",), load_recipe)


@pytest.mark.parametrize(
    ("name", "content", "format_name"),
    [
        ("a.txt", "words", "text"),
        ("a.TXT", "words", "text"),
        ("a.md", "# Title", "markdown"),
        ("a.htm", "<p>words</p>", "html"),
        ("README", "words", "text"),
        ("a.csv", "one,two\n1,2\n", "csv"),
        ("a.py", "x = 1\n", "code"),
        ("a.json", "[1]", "json"),
        ("a.unknown", "words", "text"),
        ("page", "<!DOCTYPE html><title>x</title><p>words</p>", "html"),
        ("page.aspx", "\n<HTML><p>words</p></HTML>", "html"),
        ("wide", "some words".encode("utf-16"), "text"),
        ("wide.txt", "some words".encode("utf-16-le"), "text"),
        ("legacy", "Größe".encode("cp1252"), "text"),
    ],
)
def test_format_follows_ending_and_content(
    tmp_path: Path, name: str, content: bytes | str, format_name: str
) -> None:
    assert load(write(tmp_path, name, content)).format == format_name


def test_path_may_be_a_string(tmp_path: Path) -> None:
    assert load(str(write(tmp_path, "a.txt", "words"))).text == "words"


@pytest.mark.parametrize("name", ["a.txt", "a.md", "no-ending", "a.html"])
def test_a_pdf_is_recognised_under_any_name(tmp_path: Path, name: str) -> None:
    document = load(write(tmp_path, name, PDF.read_bytes()))
    assert document.format == "pdf"
    assert document.warnings[0].startswith("a PDF, in spite of ")
    assert document.text == load(PDF).text


def test_text_about_pdf_is_no_pdf(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "A PDF file begins with %PDF-1.7, the header.")
    assert load(path).format == "text"


def test_junk_before_the_header_of_a_pdf_is_accepted(tmp_path: Path) -> None:
    path = write(tmp_path, "a.pdf", b"junk\n" + PDF.read_bytes())
    assert load(path).format == "pdf"


def test_what_is_named_pdf_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(WrongFormatError, match=r"not a PDF: it begins with b'<html>\\n '"):
        load(write(tmp_path, "a.pdf", "<html>\n  <p>Not found</p>"))


@pytest.mark.parametrize("data", [b"", b"  \n\t ", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n"])
def test_files_without_text(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(NoTextError):
        load(write(tmp_path, "a.txt", data))


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html"])
def test_binary_data_named_as_text(tmp_path: Path, name: str) -> None:
    with pytest.raises(WrongFormatError, match="it holds binary data"):
        load(write(tmp_path, name, b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20))


@pytest.mark.parametrize("name", ["a.png", "A.PNG", "a.png.zip"])
def test_binary_formats_are_unsupported(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, bytes(range(256)))
    suffix = path.suffix.lower()
    with pytest.raises(UnsupportedFormatError, match=f"no loader for {suffix!r} files"):
        load(path)
    assert not registry.is_supported(path)


def test_unknown_binary_data_is_unsupported(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormatError, match="no loader for this kind of file"):
        load(write(tmp_path, "noname", os.urandom(5000)))
    with pytest.raises(UnsupportedFormatError, match=r"no loader for '\.dat' files"):
        load(write(tmp_path, "a.dat", b"\0\1\2\3"))


def test_support_is_judged_by_name_alone() -> None:
    names = ["a.txt", "a.pdf", "a.html", "a.md", "a.unknown", "noname"]
    assert all(registry.is_supported(Path(name)) for name in names)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="cannot be read: no such file or directory"):
        load(tmp_path / "missing.txt")
    with pytest.raises(UnreadableError, match="cannot be read: "):
        load(tmp_path)
    with pytest.raises(UnreadableError, match="cannot be read: "):
        load("impossible\0name.txt")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(UnreadableError, match="not a regular file"):
        load(tmp_path / "pipe.txt")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="no file is closed to this user"
)
def test_permission_denied(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "words")
    path.chmod(0)
    with pytest.raises(UnreadableError, match="cannot be read: permission denied"):
        load(path)


def test_size_limit(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "x" * 101)
    assert load(path, max_bytes=101).text == "x" * 101
    with pytest.raises(TooLargeError, match=r"it has 101 bytes; the limit is 100 bytes"):
        load(path, max_bytes=100)


def test_a_huge_file_is_refused_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.txt"
    with path.open("wb") as stream:
        stream.truncate(500_000_000)
    with pytest.raises(TooLargeError, match=r"it has 500 MB; the limit is 256 MB"):
        load(path)


def test_registered_loaders(tmp_path: Path) -> None:
    path = write(tmp_path, "a.recipe", "eggs")
    register(RECIPE)
    document = load(path)
    assert (document.format, document.text) == ("recipe", "eggs")
    assert registry.loaders()["recipe"] is RECIPE


def test_a_registered_loader_makes_a_binary_ending_supported() -> None:
    path = Path("a.psd")
    assert not registry.is_supported(path)
    register(LoaderSpec("psd", (".psd",), load_recipe))
    assert registry.is_supported(path)


def test_a_registered_loader_replaces_a_built_in_one(tmp_path: Path) -> None:
    register(LoaderSpec("text", (".txt",), load_recipe))
    assert load(write(tmp_path, "a.txt", "eggs")).format == "recipe"


def test_the_latest_loader_of_an_ending_takes_it(tmp_path: Path) -> None:
    register(LoaderSpec("minutes", (".md",), lambda source: Document("Minutes.", "minutes")))
    (tmp_path / "a.md").write_text("# Heading", encoding="utf-8")
    assert load(tmp_path / "a.md").format == "minutes"


def test_loaders_are_found_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "recipe_plug_in.py"
    module.write_text(
        "from ingest import Document, Block, LoaderSpec\n"
        "RECIPE = LoaderSpec('recipe', ('.recipe',), 'recipe_plug_in:load_recipe')\n"
        "def load_recipe(source):\n"
        "    return Document(text='soup', format='recipe', blocks=(Block('paragraph', 0, 4),))\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    plug_in(monkeypatch, "recipe", "recipe_plug_in:RECIPE")
    assert load(write(tmp_path, "a.recipe", "x")).text == "soup"
    assert load(write(tmp_path, "a.txt", "x")).format == "text"


def test_a_broken_plug_in_is_reported_and_costs_no_other_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug_in(monkeypatch, "broken", "no_such_module_at_all:SPEC")
    with pytest.warns(UserWarning, match=r"the loader 'broken' \(no_such.*\) cannot be imported"):
        assert load(write(tmp_path, "a.txt", "words")).text == "words"


def test_the_package_of_a_broken_plug_in_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "lost_recipes-1.0.dist-info"
    installed.mkdir()
    write(installed, "METADATA", "Metadata-Version: 2.1\nName: lost-recipes\nVersion: 1.0\n")
    write(installed, "entry_points.txt", "[ingest.loaders]\nrecipe = no_such_recipes:SPEC\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.warns(UserWarning, match="of the package 'lost-recipes' .* cannot be imported"):
        registry.loaders()


def test_a_plug_in_that_is_no_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, "odd", "json:loads")
    with pytest.warns(UserWarning, match=r"the loader 'odd' \(json:loads\) is no LoaderSpec"):
        assert load(write(tmp_path, "a.txt", "words")).text == "words"


def test_whatever_a_loader_raises_is_a_load_error(tmp_path: Path) -> None:
    path = write(tmp_path, "a.recipe", "eggs")
    register(LoaderSpec("recipe", (".recipe",), load_badly))
    with pytest.raises(WrongFormatError, match="the recipe loader failed: KeyError: 'ingredients'"):
        load(path)
    register(LoaderSpec("recipe", (".recipe",), "no_such_module_at_all:load"))
    with pytest.raises(WrongFormatError, match="the recipe loader failed: ModuleNotFoundError"):
        load(path)


def test_load_errors_of_a_loader_are_left_as_they_are(tmp_path: Path) -> None:
    def locked(source: Source) -> Document:
        raise EncryptedError("needs a password" if source.password is None else "wrong password")

    register(LoaderSpec("recipe", (".recipe",), locked))
    path = write(tmp_path, "a.recipe", "eggs")
    with pytest.raises(EncryptedError, match="needs a password"):
        load(path)
    with pytest.raises(EncryptedError, match="wrong password"):
        load(path, password="secret")


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        (None, "TypeError: it returned NoneType, not a Document"),
        (
            Document(text="eggs, flour", format="recipe", blocks=(Block("code", 0, 4),)),
            "ValueError: text after the last block is in no block",
        ),
        (Document(text="\ud800", format="recipe"), "ValueError: a lone surrogate in the text"),
        (
            Document(text="eggs", format="recipe", blocks=(Block("code", 0, 9),)),
            "ValueError: block out of order or range",
        ),
    ],
)
def test_a_loader_that_breaks_the_promises_of_a_document(
    tmp_path: Path, document: Document, fault: str
) -> None:
    register(LoaderSpec("recipe", (".recipe",), lambda source: document))
    with pytest.raises(WrongFormatError, match=f"the recipe loader failed: {fault}"):
        load(write(tmp_path, "a.recipe", "eggs"))


def test_a_loader_may_leave_finding_the_blocks_to_us(tmp_path: Path) -> None:
    document = Document(text="Soup\n\n- eggs\n- flour", format="recipe")
    register(LoaderSpec("recipe", (".recipe",), lambda source: document))
    blocks = load(write(tmp_path, "a.recipe", "x")).blocks
    assert [block.kind for block in blocks] == ["paragraph", "list_item", "list_item"]


@pytest.mark.parametrize(
    ("suffixes", "loader", "message"),
    [
        (("recipe",), "a:b", "not a suffix in lower case with its dot: 'recipe'"),
        ((".Recipe",), "a:b", "not a suffix in lower case with its dot: '.Recipe'"),
        ((".recipe",), "a.b", "not of the form 'package.module:function': 'a.b'"),
    ],
)
def test_a_spec_is_checked(suffixes: tuple[str, ...], loader: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LoaderSpec("recipe", suffixes, loader)


def test_public_names_resolve() -> None:
    for name in ingest.__all__:
        assert getattr(ingest, name) is not None
    assert sorted(ingest.__all__) == dir(ingest)
    assert issubclass(ingest.TooLargeError, LoadError)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        ingest.nothing  # noqa: B018


def test_text_is_loaded_without_the_other_formats_libraries(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "words")
    code = (
        "import sys, ingest; ingest.load(sys.argv[1]);"
        "print(sorted({'lxml','trafilatura','pypdf','pypdfium2','markdown_it','chardet'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
    )
    assert done.stdout.strip() == "[]"


def test_a_reason_quotes_no_more_of_a_file_than_anybody_reads(tmp_path: Path) -> None:
    name = b"[Content_Types].xml"
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(name.decode(), "<Types/>")
    # The local header says that the name goes on over what follows.
    damaged = data.getvalue().replace(b"PK\x03\x04", b"PK\x03\x04", 1)
    length = damaged.index(name) - 4
    damaged = damaged[:length] + (20_000).to_bytes(2, "little") + damaged[length + 2 :]
    damaged += b"\xb5" * 40_000
    with pytest.raises(LoadError) as caught:
        registry.load_bytes(Path("a.docx"), damaged)
    assert len(str(caught.value)) <= 502
