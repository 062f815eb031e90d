"""Any bytes, and damaged files, give a document that keeps its promises or a reason.

``tools/fuzz.py`` does the same with coverage guidance, outside of the suite.
"""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loading import zipped
from make_samples import all_samples, check_promises

SAMPLES = dict(all_samples())
# Pieces of syntax that random bytes hardly ever hit upon.
PIECES = (
    *(b"<table><tr><td rowspan=9>", b"<pre>", b"<li>", b"<!--", b"<![CDATA[", b"&#xD800;", b"&#0;"),
    *(b"\n\n", b"\r", b"\x85", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"\xc2\xa0"),
    *(b"# ", b"- ", b"> ", b"```", b"|a|b|\n|-|-|\n", b"---\n", b"\\u0000", b'"\\ud800"', b"[[[["),
    *(b"endobj", b"stream\n", b"/Length 99999999", b"<< /Kids [3 0 R] >>", b"BT (x) Tj ET"),
    *(
        b"class A:",
        b"def f(",
        b"{",
        b"}",
        b'"""',
        b"Content-Type: text/html\n",
        b"=?utf-8?b?/w==?=",
    ),
)


@st.composite
def damaged(draw: st.DrawFn, original: bytes) -> bytes:
    """Return a copy with some bytes changed, cut out, doubled, or put in."""
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(0, 40))
        piece = draw(
            st.sampled_from(PIECES) | st.binary(max_size=8) | st.just(bytes(data[at : at + 40]))
        )
        data[at : at + length] = piece
    return bytes(data)


@pytest.mark.parametrize("ending", [*SAMPLES])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damaged_files(ending: str, data: st.DataObject) -> None:
    check_promises(f"a{ending}", data.draw(damaged(SAMPLES[ending])))


@pytest.mark.parametrize("ending", [".docx", ".pptx", ".xlsx", ".epub"])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whole_archives_of_damaged_parts(ending: str, data: st.DataObject) -> None:
    with zipfile.ZipFile(io.BytesIO(SAMPLES[ending])) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = data.draw(st.sampled_from([*members]))
    members[name] = data.draw(damaged(members[name]))
    check_promises(f"a{ending}", zipped(members))


@pytest.mark.parametrize("ending", [*SAMPLES])
@settings(max_examples=25, deadline=None)
@given(
    pieces=st.lists(
        st.sampled_from(PIECES)
        | st.binary(max_size=12)
        | st.text().map(lambda text: text.encode("utf-8", "replace"))
    )
)
def test_any_bytes(ending: str, pieces: list[bytes]) -> None:
    check_promises(f"a{ending}", b"".join(pieces))
