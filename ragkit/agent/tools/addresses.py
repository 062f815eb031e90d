"""Which hosts and addresses a tool may connect to: the guard against request forgery (SSRF).

A name is resolved once, every address it has is checked, and the connection goes to the address
that was checked. Addresses that are not public are refused unless they were allowed by name.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from ragkit.errors import UsageError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Sequence[str]]

_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_-]{1,63}")
_PLAIN_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_LOOKS_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|\d+)")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f\\]")

# Beyond what the standard library calls global: forms that wrap an IPv4 address or lead into the
# provider's own network. RFC 6890 and its updates; 168.63.129.16 is Azure's host service.
_NEVER_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32",
        "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
        "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
        "240.0.0.0/4", "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96",
        "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
        "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
_DROPPED = "".join(map(chr, (*range(33), *range(127, 161))))


class BlockedError(Exception):
    """A URL or an address that may not be reached; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart: where it leads, and what is asked for there.

    ``host`` is in lower case and ASCII, without brackets or a final dot.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """What belongs together for credentials: scheme, host and port."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """Host and port as they are written in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL, put together again."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_target(url: str) -> Target:
    """Take a URL apart, strictly: what two programs could read differently is refused.

    Raises:
        BlockedError: it is no plain HTTP URL, or names its host in a misleading form.
    """
    if len(url) > 8_000:
        raise BlockedError("the URL is longer than 8000 characters")
    if found := _FORBIDDEN.search(url):
        raise BlockedError(f"a URL cannot have {found[0]!r} in it")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BlockedError(f"{url!r} is not a URL: {error}") from None
    if parts.scheme not in _PORTS:
        raise BlockedError(f"only http and https are allowed, not {parts.scheme or url!r}")
    if "@" in parts.netloc:
        raise BlockedError("a URL may not carry a user name or password")
    if port == 0:
        raise BlockedError("there is no port 0")
    path = parts.path or "/"
    host = _host(parts)
    _check_path(path)
    asked = f"{path}?{parts.query}" if parts.query else path
    return Target(parts.scheme, host, port or _PORTS[parts.scheme], asked)


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if not host:
        raise BlockedError("the URL names no host")
    if "%" in host:
        raise BlockedError(f"the host {host!r} has a percent sign in it")
    if ":" in host:
        if not parts.netloc.startswith("["):
            raise BlockedError(f"{host!r} is not a host")
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError:
            raise BlockedError(f"{host!r} is not an IPv6 address") from None
    plain = unicodedata.normalize("NFKC", host).lower().removesuffix(".")
    if not plain.isascii():
        try:
            import idna

            plain = idna.encode(plain).decode("ascii")
        except (UnicodeError, ValueError):
            raise BlockedError(f"{host!r} is not a host name") from None
    if not _NAME.fullmatch(plain):
        raise BlockedError(f"{host!r} is not a host name")
    if _LOOKS_NUMERIC.fullmatch(plain.rpartition(".")[2]):
        return _ipv4(plain)
    return plain


def _ipv4(host: str) -> str:
    """Read an IPv4 address in its one usual form; the C library reads many others."""
    if _PLAIN_IPV4.fullmatch(host):
        try:
            return str(ipaddress.IPv4Address(host))  # refuses leading zeros
        except ValueError:
            pass
    raise BlockedError(f"{host!r} is a number in an unusual form; write addresses as 192.0.2.1")


def _check_path(path: str) -> None:
    seen = path
    for _ in range(10):  # a server may decode more than once
        # Some servers drop what follows a semicolon, and white space and controls around a part.
        parts = [part.partition(";")[0].strip(_DROPPED) for part in re.split(r"[/\\]", seen)]
        if any(part in (".", "..") for part in parts):
            raise BlockedError("the path of a URL may not have '.' or '..' in it")
        before, seen = seen, unquote(seen)
        if seen == before:
            return
    raise BlockedError("the path of a URL is encoded over and over")


@dataclass(frozen=True, slots=True)
class _Entry:
    scheme: str | None
    host: str  # "*" for any, "*.example.com" for those below
    port: int | None
    path: str

    def covers(self, target: Target) -> bool:
        return (
            self._covers_host(target.host)
            and self.scheme in (None, target.scheme)
            and (target.port == _PORTS[target.scheme] if self.port is None else True)
            and self.port in (None, target.port)
            and self._covers_path(target.path.partition("?")[0])
        )

    def _covers_host(self, host: str) -> bool:
        if self.host == "*":
            return True
        if self.host.startswith("*."):
            return host.endswith(self.host[1:]) and not _is_address(host)
        return host == self.host

    def _covers_path(self, path: str) -> bool:
        folder = self.path if self.path.endswith("/") else f"{self.path}/"
        return path == self.path or path.startswith(folder)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class AllowList:
    """Decides what may be reached.

    An entry is a host (``"api.example.com"``), all hosts below one (``"*.example.com"``), a URL
    that all others must begin with (``"https://api.example.com/v1"``), or ``"*"`` for any public
    host. A host stands for the standard ports of http and https. ``localhost`` and addresses that
    are not public are reached only where an entry names them; names that resolve to such
    addresses only where ``networks`` holds the address.
    """

    def __init__(
        self,
        entries: Sequence[str],
        *,
        networks: Sequence[str] = (),
        resolver: Resolver | None = None,
    ) -> None:
        """Read the entries.

        Args:
            entries: What may be reached.
            networks: Networks that are not public but may be reached, such as ``"10.1.0.0/16"``.
            resolver: Returns the addresses of a host and port; default: the system's.

        Raises:
            UsageError: there is no entry, or one cannot be read.
        """
        if isinstance(entries, str):
            raise UsageError(f"the allow-list must be a list of hosts or URLs, not {entries!r}")
        if not entries:
            raise UsageError("the allow-list is empty, so nothing could be reached")
        self._entries = tuple(_entry(entry) for entry in entries)
        try:
            self._networks = tuple(ipaddress.ip_network(network) for network in networks)
        except ValueError as error:
            raise UsageError(f"not a network: {error}") from None
        self._resolve = resolver or resolve

    def check(self, target: Target) -> None:
        """Raise unless an entry covers ``target``.

        Raises:
            BlockedError: none does.
        """
        if not any(entry.covers(target) for entry in self._entries):
            raise BlockedError(f"{target.scheme}://{target.authority} is not on the allow-list")

    def addresses(self, target: Target) -> list[str]:
        """Return the addresses of ``target``, each one checked, in the order to try them.

        Raises:
            BlockedError: it has none, or one of them may not be reached.
        """
        try:
            found = list(dict.fromkeys(self._resolve(target.host, target.port)))
        except (OSError, UnicodeError) as error:
            raise BlockedError(f"the host {target.host!r} cannot be resolved: {error}") from None
        if not found:
            raise BlockedError(f"the host {target.host!r} has no address")
        named = any(entry.host == target.host and entry.covers(target) for entry in self._entries)
        for text in found:
            address = _address(text)
            private = not is_public(address)
            by_name = named and (_is_address(target.host) or _is_loopback_name(target, address))
            if private and not by_name and not self._in_networks(address):
                raise BlockedError(
                    f"{target.host!r} leads to {address}, which is not a public address"
                )
        return found

    def _in_networks(self, address: Address) -> bool:
        return any(
            address.version == network.version and address in network for network in self._networks
        )


def _is_loopback_name(target: Target, address: Address) -> bool:
    return target.host == "localhost" and address.is_loopback


def _entry(entry: str) -> _Entry:
    try:
        if entry == "*":
            return _Entry(None, "*", None, "/")
        if entry.startswith("*."):
            return _Entry(None, f"*.{parse_target(f'http://{entry[2:]}').host}", None, "/")
        if "://" in entry:
            target = parse_target(entry)
            if "?" in target.path or "#" in entry:
                raise BlockedError("an entry has no query")
            return _Entry(target.scheme, target.host, target.port, target.path.rstrip("/") or "/")
        target = parse_target(f"http://{entry}")
    except BlockedError as error:
        raise UsageError(f"cannot read {entry!r} in the allow-list: {error}") from None
    if target.path != "/":
        raise UsageError(f"write {entry!r} in the allow-list with https:// before it")
    return _Entry(None, target.host, None if target.port == 80 else target.port, "/")


def is_public(address: Address) -> bool:
    """Whether an address is that of a host on the open internet, in no disguise."""
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return False
    if any(address.version == network.version and address in network for network in _NEVER_PUBLIC):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _address(text: str) -> Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise BlockedError(f"{text!r} is not an address") from None


def resolve(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of a host.

    Raises:
        OSError: it cannot be resolved.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(entry[4][0]) for entry in found]
