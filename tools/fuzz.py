"""Fuzz the loaders and the chunker with coverage guidance, for as long as you give it.

    pip install atheris
    python tools/fuzz.py --seconds 600                 # all formats
    python tools/fuzz.py --seconds 600 html markdown   # some

Starts from the files of ``sample_docs`` and small ones made here. A finding is anything but a
document that keeps its promises or a :class:`~ingest.errors.LoadError`: it is printed and written
to ``fuzz-findings/``. Make a regression test of each; see ``tests/ingest/test_fuzz.py``.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "ingest")]

FINDINGS = Path("fuzz-findings")
SLOW_SECONDS = 10.0
LARGEST_SEED = 200_000
ENDINGS = {
    "code": (".py", ".c", ".js"),
    "csv": (".csv",),
    "docx": (".docx",),
    "email": (".eml",),
    "epub": (".epub",),
    "html": (".html",),
    "json": (".json", ".jsonl"),
    "markdown": (".md",),
    "notebook": (".ipynb",),
    "pdf": (".pdf",),
    "pptx": (".pptx",),
    "text": (".txt",),
    "xlsx": (".xlsx",),
}


def seeds(endings: Sequence[str]) -> list[tuple[str, bytes]]:
    """Return small valid files to begin with, as their ending and their bytes."""
    import make_samples

    found = list(make_samples.all_samples())
    found += [
        (path.suffix.lower(), path.read_bytes())
        for path in sorted((ROOT / "sample_docs").rglob("*"))
        if path.is_file() and path.stat().st_size < LARGEST_SEED
    ]
    return [(ending, data) for ending, data in found if ending in endings]


def check(ending: str, data: bytes) -> None:
    """Load and chunk a file; raise where a promise is broken."""
    from make_samples import check_promises

    began = time.monotonic()
    check_promises(f"a{ending}", data)
    if time.monotonic() - began > SLOW_SECONDS:
        raise TimeoutError(f"it took more than {SLOW_SECONDS:g} seconds")


def report(ending: str, data: bytes) -> None:
    """Print the exception being handled, and keep the file that raised it."""
    FINDINGS.mkdir(exist_ok=True)
    path = FINDINGS / f"{hashlib.sha256(data).hexdigest()[:12]}{ending}"
    if not path.exists():
        path.write_bytes(data)
        print(f"FINDING {path}", file=sys.stderr)
        traceback.print_exc(limit=-6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("formats", nargs="*", choices=[[], *ENDINGS], help="default: all")
    parser.add_argument("--seconds", type=int, default=300, help="default: 300")
    arguments = parser.parse_args()
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is not installed: pip install atheris")
    chosen = arguments.formats or list(ENDINGS)
    endings = tuple(ending for name in chosen for ending in ENDINGS[name])
    with atheris.instrument_imports(include=["ingest"]):
        import make_samples  # noqa: F401 - what it imports is what is to be covered

        from ingest.loaders import registry

        for spec in registry.loaders().values():
            registry._resolve(spec)

    def one_input(data: bytes) -> None:
        if len(data) < 2:
            return
        ending = endings[data[0] % len(endings)]
        try:
            check(ending, data[1:])
        except Exception:
            report(ending, data[1:])

    with tempfile.TemporaryDirectory() as corpus:
        for number, (ending, data) in enumerate(seeds(endings)):
            (Path(corpus) / str(number)).write_bytes(bytes([endings.index(ending)]) + data)
        options = [f"-max_total_time={arguments.seconds}", "-timeout=60", "-rss_limit_mb=4000"]
        atheris.Setup([sys.argv[0], corpus, *options, "-max_len=60000"], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
