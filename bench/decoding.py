"""How many files in many encodings are decoded to the right text.

Takes a folder with one folder of files per encoding, such as ``tests`` in the source distribution
of chardet 5.2.0 (some 50 encodings, 420 files)::

    pip download --no-binary :all: --no-deps chardet==5.2.0 && tar xzf chardet-5.2.0.tar.gz
    python bench/decoding.py chardet-5.2.0/tests

A folder is named after its encoding, a language may follow (``windows-1250-polish``). A file is
right if its text is what the named encoding gives, a byte-order mark aside: an encoding that
decodes these very bytes to the same text is as good. Files that their own encoding cannot decode
are listed and not counted, for there is no right text then.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import defaultdict
from pathlib import Path

from ingest.decode import decode, decode_as, python_name

_LANGUAGE = re.compile(r"-[a-z]{4,}\Z")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="a folder with one folder per encoding")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        sys.exit(f"not a folder: {str(arguments.folder)!r}")
    right, wrong, without_truth = 0, [], []
    by_encoding: dict[str, list[bool]] = defaultdict(list)
    size, seconds = 0, 0.0
    for path in sorted(path for path in arguments.folder.glob("*/*") if path.is_file()):
        label = path.parent.name
        encoding = python_name(label) or python_name(_LANGUAGE.sub("", label))
        data = path.read_bytes()
        name = f"{label}/{path.name}"
        try:
            truth = decode_as(data, encoding) if encoding else None
        except UnicodeError:
            truth = None
        if truth is None:
            without_truth.append(name)
            continue
        began = time.perf_counter()
        decoded = decode(data)
        seconds += time.perf_counter() - began
        size += len(data)
        is_right = decoded.text.removeprefix("\ufeff") == truth.removeprefix("\ufeff")
        by_encoding[encoding or label].append(is_right)
        right += is_right
        if not is_right:
            wrong.append(f"{name}: taken for {decoded.encoding} ({decoded.how})")
    total = right + len(wrong)
    print(
        f"{right} of {total} files right ({right / max(1, total):.2%}) in {len(by_encoding)}"
        f" encodings; {size / 1e6 / max(seconds, 1e-9):.1f} MB/s"
    )
    for line in wrong:
        print(f"wrong: {line}")
    for name in without_truth:
        print(f"not counted, its encoding does not decode it: {name}")


if __name__ == "__main__":
    main()
