"""The tool http: it reaches what it may, and nothing else, however the address is written."""

from __future__ import annotations

import gzip
import ssl
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from http_server import Asked, answer, serving
from hypothesis import given
from hypothesis import strategies as st

from ragkit.agent import ToolError
from ragkit.agent.tools import fetch as fetching
from ragkit.agent.tools import http_tool
from ragkit.agent.tools.addresses import AllowList, BlockedError, is_public, parse_target
from ragkit.agent.tools.fetch import Fetched, FetchError, fetch
from ragkit.errors import UsageError

PRIVATE_FORMS = """
http://127.0.0.1/
http://127.0.0.1:80/
http://127.1/
http://127.0.1/
http://2130706433/
http://0x7f000001/
http://0x7f.0x0.0x0.0x1/
http://0x7f.1/
http://017700000001/
http://0177.0.0.1/
http://0177.0.0.01/
http://127.0.0.01/
http://127.000.000.001/
http://00000127.0.0.1/
http://4294967296/
http://0/
http://0.0.0.0/
http://0.0.0.0:80/
http://127.0.0.1./
http://127.255.255.254/
http://１２７.０.０.１/
http://①②⑦.⓪.⓪.①/
http://127。0。0。1/
http://127．0．0．1/
http://127%2e0%2e0%2e1/
http://[::1]/
http://[::]/
http://[0:0:0:0:0:0:0:1]/
http://[::ffff:127.0.0.1]/
http://[::ffff:7f00:1]/
http://[::127.0.0.1]/
http://[::ffff:0:127.0.0.1]/
http://[64:ff9b::127.0.0.1]/
http://[64:ff9b::7f00:1]/
http://[64:ff9b:1::7f00:1]/
http://[2002:7f00:1::]/
http://[2002:a9fe:a9fe::]/
http://[2001:0:7f00:1::]/
http://[fe80::1]/
http://[fe80::1%25eth0]/
http://[fec0::1]/
http://[fc00::1]/
http://[fd00:ec2::254]/
http://[ff02::1]/
http://[2001:db8::1]/
http://[100::1]/
http://10.0.0.1/
http://172.16.0.1/
http://192.168.1.1/
http://100.64.0.1/
http://100.100.100.200/
http://168.63.129.16/
http://169.254.169.254/latest/meta-data/
http://169.254.170.2/
http://2852039166/
http://0xa9fea9fe/
http://0251.0376.0251.0376/
http://[::ffff:169.254.169.254]/
http://192.0.0.192/
http://198.18.0.1/
http://192.0.2.1/
http://224.0.0.1/
http://240.0.0.1/
http://255.255.255.255/
http://localhost/
http://LOCALHOST/
http://localhost./
http://ｌｏｃａｌｈｏｓｔ/
http://lo\u200bcalhost/
http://localhost.localdomain/
http://user@127.0.0.1/
http://example.com@127.0.0.1/
http://example.com:80@127.0.0.1/
http://127.0.0.1@example.com/
http://example.com\\@127.0.0.1/
http://127.0.0.1\\.example.com/
http://127.0.0.1%00.example.com/
http://example.com%2f@127.0.0.1/
http://127.0.0.1#@example.com/
http://127.0.0.1?@example.com/
http:127.0.0.1/
http:/127.0.0.1/
http:///127.0.0.1/
//127.0.0.1/
127.0.0.1
http://127.0.0.1\t/
http://127.0.0.1\r/
 http://127.0.0.1/
http://
http://:80/
http://[127.0.0.1]/
http://[::1
http://127.0.0.1:0/
http://127.0.0.1:99999/
https://127.0.0.1/
ftp://127.0.0.1/
file:///etc/passwd
file://localhost/etc/passwd
gopher://127.0.0.1:70/_x
dict://127.0.0.1/
data:text/plain,x
javascript:alert(1)
jar:http://127.0.0.1/
""".strip("\n").split("\n")


@pytest.mark.parametrize("url", PRIVATE_FORMS)
def test_no_form_of_a_private_address_is_reached(url: str) -> None:
    """Any public host is allowed, so that only the check of addresses stands in the way."""

    def resolver(host: str, port: int) -> Sequence[str]:
        if host.replace(".", "").isdigit() or ":" in host:
            return [host]
        if "localhost" in host:
            return ["127.0.0.1", "::1"]
        return ["127.0.0.1"]

    connected: list[str] = []
    with pytest.raises(ToolError):
        connected.append(http_tool(allow=["*"], resolver=resolver)(url))
    assert not connected


@given(st.ip_addresses(network="127.0.0.0/8") | st.ip_addresses(network="10.0.0.0/8"))
def test_no_private_address_is_public(address: Any) -> None:
    assert not is_public(address)


def test_a_public_address_is_public() -> None:
    import ipaddress

    for text in ("8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111"):
        assert is_public(ipaddress.ip_address(text)), text


@pytest.mark.parametrize(
    ("entry", "covered", "refused"),
    [
        (
            "api.example.com",
            ["http://api.example.com/x", "https://API.example.com./", "https://api.example.com:443/"],
            ["https://example.com/", "https://api.example.com.evil.org/", "http://api.example.com:8080/",
             "https://xapi.example.com/", "https://evil.org/api.example.com"],
        ),
        (
            "*.example.com",
            ["https://a.example.com/", "https://a.b.example.com/"],
            ["https://example.com/", "https://evilexample.com/", "https://example.com.evil.org/"],
        ),
        (
            "https://example.com/v1",
            ["https://example.com/v1", "https://example.com/v1/x?y=/../z"],
            ["http://example.com/v1", "https://example.com/v10", "https://example.com/",
             "https://example.com/v1/../admin", "https://example.com/v1/%2e%2e/admin",
             "https://example.com/v1/%252e%252e/admin", "https://example.com/v1%2f..%2fadmin",
             "https://example.com/v1/..;/admin/..", "https://example.com:8443/v1"],
        ),
        ("bücher.example", ["https://xn--bcher-kva.example/", "https://BÜCHER.example/"],
         ["https://bucher.example/"]),
        ("*", ["https://anything.org/x"], ["https://anything.org:22/", "ftp://anything.org/"]),
        ("example.com:8080", ["http://example.com:8080/"], ["http://example.com/"]),
    ],
)  # fmt: skip
def test_the_allow_list(entry: str, covered: list[str], refused: list[str]) -> None:
    allow = AllowList([entry])
    for url in covered:
        allow.check(parse_target(url))
    for url in refused:
        with pytest.raises(BlockedError):
            allow.check(parse_target(url))


@pytest.mark.parametrize(
    ("allow", "reason"),
    [
        ([], "empty"),
        ("example.com", "must be a list"),
        (["example.com/path"], "with https:// before it"),
        (["https://user:pw@example.com"], "user name"),
        (["0x7f.1"], "unusual form"),
        (["a b"], "cannot read 'a b'"),
        (["https://example.com/?x=1"], "no query"),
    ],
)
def test_wrong_allow_lists_are_refused(allow: Any, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        http_tool(allow=allow)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(UsageError, match="methods must be"):
        http_tool(allow=["example.com"], methods=["TRACE"])
    with pytest.raises(UsageError, match="not a network"):
        http_tool(allow=["example.com"], networks=["10.0.0.0/99"])
    with pytest.raises(UsageError, match=r"URL's origin, not 'example\.com'"):
        http_tool(allow=["example.com"], headers={"example.com": {"x": "y"}})


def _hello(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
    answer(handler, f"hello from {asked.path}")


def test_what_is_allowed_by_name_is_fetched() -> None:
    with serving(_hello) as server:
        tool = http_tool(allow=[server.url])
        assert tool(f"{server.url}/a?b=c") == {
            "url": f"{server.url}/a?b=c",
            "status": 200,
            "content_type": "text/plain",
            "content": "hello from /a?b=c",
        }
        result = tool.call({"url": f"{server.url}/x"})
        assert '"status":200' in result.text
        assert not tool.needs_approval({"url": server.url})
        assert server.asked[0].headers["host"] == f"127.0.0.1:{server.port}"
        assert http_tool(allow=[f"localhost:{server.port}"])(
            f"http://localhost:{server.port}/"
        )["status"] == 200  # fmt: skip
        with pytest.raises(ToolError, match="not on the allow-list"):
            http_tool(allow=["localhost"])(server.url)


def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """A name whose address changes between the check and the connection (DNS rebinding)."""
    asked: list[str] = []

    def resolver(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["192.0.2.99"]

    with serving(_hello) as server:
        tool = http_tool(
            allow=[f"rebound.example:{server.port}"],
            networks=["127.0.0.0/8"],
            resolver=resolver,
        )
        got = tool(f"http://rebound.example:{server.port}/x")
        assert got["content"] == "hello from /x"
        assert asked == ["rebound.example"]
        assert server.asked[0].headers["host"] == f"rebound.example:{server.port}"
        with pytest.raises(ToolError, match=r"leads to 192\.0\.2\.99, which is not a public"):
            tool(f"http://rebound.example:{server.port}/x")


def test_public_hosts_pass_the_guard() -> None:
    allow = AllowList(["*"], resolver=lambda *_: ["93.184.216.34", "2606:4700:4700::1111"])
    target = parse_target("https://example.com/a?b")
    allow.check(target)
    assert allow.addresses(target) == ["93.184.216.34", "2606:4700:4700::1111"]


def test_a_name_with_one_private_address_among_others_is_refused() -> None:
    tool = http_tool(allow=["mixed.example"], resolver=lambda *_: ["93.184.216.34", "10.0.0.1"])
    with pytest.raises(ToolError, match=r"leads to 10\.0\.0\.1"):
        tool("http://mixed.example/")


@pytest.mark.parametrize("found", [OSError("no such host"), []])
def test_a_name_that_cannot_be_resolved(found: Any) -> None:
    def resolver(*_: object) -> Sequence[str]:
        if isinstance(found, OSError):
            raise found
        return []

    with pytest.raises(ToolError, match=r"cannot be resolved: no such host|has no address"):
        http_tool(allow=["gone.example"], resolver=resolver)("http://gone.example/")


def _redirecting(location: str, status: int = 302) -> Any:
    def answerer(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        if asked.path == "/start":
            answer(handler, status=status, Location=location)
        else:
            answer(handler, "arrived")

    return answerer


@pytest.mark.parametrize(
    "url",
    [
        *PRIVATE_FORMS[:12],
        "http://169.254.169.254/",
        "http://[::1]/",
        "file:///etc/passwd",
        "//localhost/",
        "https://10.0.0.1/",
    ],
)
def test_redirects_lead_nowhere_else(url: str) -> None:
    with serving(_redirecting(url)) as server:
        tool = http_tool(allow=["*", server.url])
        with pytest.raises(
            ToolError, match=r"not (a )?public|allow-list|only http|unusual|resolved"
        ):
            tool(f"{server.url}/start")
        assert [asked.path for asked in server.asked] == ["/start"]


def test_redirects_within_what_is_allowed_are_followed() -> None:
    with serving(_redirecting("/end")) as server:
        got = http_tool(allow=[server.url])(f"{server.url}/start")
        assert (got["url"], got["content"]) == (f"{server.url}/end", "arrived")


def test_redirects_in_circles_end() -> None:
    with serving(_redirecting("/start")) as server:
        with pytest.raises(ToolError, match="redirects more than 5 times"):
            http_tool(allow=[server.url])(f"{server.url}/start")
        assert len(server.asked) == 6


def test_keys_go_to_their_own_origin_only() -> None:
    with serving(_hello) as other, serving(_redirecting(f"{other.url}/end")) as server:
        tool = http_tool(
            allow=[server.url, other.url],
            headers={server.url: {"Authorization": "Bearer hunter2"}},
        )
        got = tool.call({"url": f"{server.url}/start"})
        assert not got.error
        assert server.asked[0].headers["authorization"] == "Bearer hunter2"
        assert "authorization" not in other.asked[0].headers
        assert "hunter2" not in got.text + str(tool.schema)
        tool(f"{other.url}/direct")
        assert "authorization" not in other.asked[1].headers


def test_environment_proxies_and_passwords_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with serving(_hello) as server:
        assert http_tool(allow=[server.url])(server.url)["status"] == 200
        assert "authorization" not in server.asked[0].headers


def test_methods_that_change_something_need_approval() -> None:
    with serving(lambda handler, asked: answer(handler, asked.body)) as server:
        tool = http_tool(allow=[server.url], methods=["GET", "post"])
        assert tool.needs_approval({"url": server.url, "method": "POST"})
        assert tool.needs_approval({"url": server.url, "method": "post"})
        assert not tool.needs_approval({"url": server.url, "method": "GET"})
        assert not tool.needs_approval({"url": server.url})
        assert tool(server.url, method="POST", body='{"a": 1}')["content"] == '{"a": 1}'
        assert server.asked[0].headers["content-type"] == "application/json"
        with pytest.raises(ToolError, match="may be GET, POST, not 'DELETE'"):
            tool(server.url, method="DELETE")
        assert len(server.asked) == 1


@pytest.mark.parametrize(("status", "method"), [(302, "GET"), (303, "GET"), (307, "POST")])
def test_what_a_redirect_makes_of_a_post(status: int, method: str) -> None:
    with serving(_redirecting("/end", status)) as server:
        http_tool(allow=[server.url], methods=["POST"])(f"{server.url}/start", body="x")
        assert [asked.method for asked in server.asked] == ["POST", method]
        assert server.asked[1].body == (b"x" if method == "POST" else b"")


def test_a_body_is_not_sent_on_to_another_server() -> None:
    with serving(_hello) as other, serving(_redirecting(f"{other.url}/end", 307)) as server:
        tool = http_tool(allow=[server.url, other.url], methods=["POST"])
        with pytest.raises(ToolError, match="to another server"):
            tool(f"{server.url}/start", body="private")
        assert not other.asked


def test_long_responses_are_cut() -> None:
    with serving(lambda handler, _: answer(handler, b"x" * 5_000_000)) as server:
        got = http_tool(allow=[server.url], max_bytes=1_000)(server.url)
        assert (len(got["content"]), got["truncated"]) == (1_000, True)


def test_packed_responses_are_unpacked_no_further_than_asked_for() -> None:
    bomb = gzip.compress(b"x" * 50_000_000)

    def answerer(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        if asked.path == "/twice":
            answer(handler, gzip.compress(bomb), Content_Encoding="gzip, gzip")
        elif asked.path == "/wrong":
            answer(handler, b"not packed", Content_Encoding="gzip")
        else:
            answer(handler, bomb, Content_Encoding="gzip")

    with serving(answerer) as server:
        tool = http_tool(allow=[server.url], max_bytes=1_000)
        got = tool(server.url)
        assert (got["content"], got["truncated"]) == ("x" * 1_000, True)
        with pytest.raises(ToolError, match="which was not asked for"):
            tool(f"{server.url}/twice")
        with pytest.raises(ToolError, match="packed wrongly"):
            tool(f"{server.url}/wrong")


@pytest.mark.parametrize("drip", ["nothing", "headers", "body"])
def test_slow_servers_are_given_up(drip: str) -> None:
    def answerer(handler: BaseHTTPRequestHandler, _: Asked) -> None:
        until = time.monotonic() + 3
        if drip != "nothing":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        if drip == "body":
            handler.wfile.write(b"Content-Length: 1000\r\n\r\n")
        while time.monotonic() < until:
            if drip != "nothing":
                handler.wfile.write(b"X" if drip == "body" else b"X: y\r\n")
                handler.wfile.flush()
            time.sleep(0.05)

    late = pytest.raises(FetchError, match=r"not answered within 0\.3 seconds|timed out")
    with serving(answerer) as server, late:
        fetch(server.url, allow=AllowList([server.url]), timeout=0.3)


def test_what_is_no_text_is_not_shown() -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(100)
    with serving(lambda handler, _: answer(handler, png, content_type="image/png")) as server:
        got = http_tool(allow=[server.url])(server.url)
        assert got["note"] == "108 bytes that are no text"
        assert "content" not in got


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain; charset=latin-1", "é".encode("latin-1"), "é"),
        ("text/plain", "é".encode(), "é"),
        ("text/plain; charset=nonsense", "é".encode(), "é"),
        ("text/plain; charset=punycode", "a-é".encode(), "a-é"),  # no encoding of texts
        ("text/plain; charset=base64", "é".encode(), "é"),
        ("application/json", b'{"a":1}', '{"a":1}'),
        ("text/plain", b"\xff\xfe", "��"),
    ],
)
def test_text_is_decoded_as_it_says(content_type: str, body: bytes, text: str) -> None:
    with serving(lambda handler, _: answer(handler, body, content_type=content_type)) as server:
        assert http_tool(allow=[server.url])(server.url)["content"] == text


PAGE = """<html><head><title>Lamps</title><script>track()</script></head><body>
<nav><a href="/">Home</a> <a href="/x">Shop</a></nav>
<article><h1>About lamps</h1><p>A lamp gives light when it is dark, which is what it is for. Most
of them do so with electricity, but there are others that burn oil.</p></article></body></html>"""


def test_web_pages_are_told_as_their_text() -> None:
    with serving(lambda handler, _: answer(handler, PAGE, content_type="text/html")) as server:
        got = http_tool(allow=[server.url])(server.url)
        assert got["title"] == "Lamps"
        assert "A lamp gives light" in got["content"]
        assert "track()" not in got["content"]
        assert http_tool(allow=[server.url], raw_html=True)(server.url)["content"] == PAGE
    with serving(lambda handler, _: answer(handler, "<p></p>", content_type="text/html")) as server:
        got = http_tool(allow=[server.url])(server.url)
        assert (got["content"], "no text" in got["note"]) == ("<p></p>", True)


def test_errors_of_a_server_are_told() -> None:
    with serving(lambda handler, _: answer(handler, "gone", status=404)) as server:
        assert http_tool(allow=[server.url])(server.url)["status"] == 404


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(ToolError, match="cannot be reached"):
        http_tool(allow=["http://127.0.0.1:9"])("http://127.0.0.1:9/")


def test_a_server_that_talks_nonsense() -> None:
    def answerer(handler: BaseHTTPRequestHandler, _: Asked) -> None:
        handler.wfile.write(b"220 mail.example ESMTP\r\n")

    with serving(answerer) as server, pytest.raises(ToolError, match="could not be fetched"):
        http_tool(allow=[server.url])(server.url)


def test_certificates_are_checked(tmp_path: Path) -> None:
    import socket
    import threading

    certificate = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            connection, _ = server.accept()
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ToolError, match=r"(?i)certificate"):
            http_tool(allow=[url])(url)
        thread.join(5)


def _certificate(folder: Path) -> Path:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_a_redirect_from_https_to_http_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def once(target: Any, *_: Any) -> tuple[Fetched, str]:
        asked.append(target.url)
        return Fetched(target.url, 302, {}, b"", False), "http://api.example.com/secret"

    monkeypatch.setattr(fetching, "_once", once)
    with pytest.raises(BlockedError, match="from https to http"):
        fetch("https://api.example.com/x", allow=AllowList(["api.example.com"]))
    assert asked == ["https://api.example.com/x"]


@pytest.mark.parametrize(
    "way", ["/v1/..;/admin", "/v1/..;x=1/admin", "/v1/%2e%2e%3b/admin", "/v1/..%20/a"]
)
def test_no_way_up_with_what_servers_drop(way: str) -> None:
    with pytest.raises(BlockedError, match="may not have"):
        parse_target(f"https://example.org{way}")
    assert parse_target("https://example.org/v1/a;b=..c/x..y").path == "/v1/a;b=..c/x..y"
