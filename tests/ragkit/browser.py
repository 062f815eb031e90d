"""A real Chromium without a window, and what tests of the page ask of it."""

from __future__ import annotations

import json
import shutil
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import pytest

Found = TypeVar("Found")
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--lang=en-US",
)  # fmt: skip


class Page:
    """A browser that is pointed at one server."""

    def __init__(self, driver: Any, address: str) -> None:
        """Drive ``driver``; all that is opened is below ``address``."""
        self.driver = driver
        self.address = address

    def open(self, path: str) -> None:
        """Open an address anew, also where only the part after ``#`` differs."""
        self.driver.get("about:blank")
        self.driver.get(self.address + path)

    def all(self, selector: str) -> list[Any]:
        """Return all elements that are there now."""
        return list(self.driver.find_elements("css selector", selector))

    def one(self, selector: str, *, seconds: float = 20) -> Any:
        """Wait for an element."""
        return self.until(lambda: self.all(selector), seconds=seconds, what=selector)[0]

    def until(self, ready: Callable[[], Found], *, seconds: float = 20, what: str = "") -> Found:
        """Wait until something is the case, and return it."""
        end = time.monotonic() + seconds
        while not (found := ready()):
            if time.monotonic() > end:
                text = self.driver.find_element("css selector", "body").text[:800]
                pytest.fail(f"not there after {seconds:g} s: {what}; the page says:\n{text}")
            time.sleep(0.05)
        return found

    def run(self, script: str, *given: Any) -> Any:
        """Run a script in the page."""
        return self.driver.execute_script(script, *given)

    def size(self, width: int, height: int = 900) -> None:
        """Set the size of what is seen, in pixels."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )

    def dark(self, on: bool) -> None:
        """Let the system be dark, or light."""
        value = "dark" if on else "light"
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": value}]},
        )

    def marked(self) -> str:
        """Return the words that are marked, in the order of the page."""
        script = (
            "return Array.from(document.querySelectorAll('mark.hit'),"
            " (one) => one.dataset.text ?? one.textContent).join(' ')"
        )
        return str(self.until(lambda: self.run(script), what="a mark"))

    def violations(self) -> list[str]:
        """Return what axe finds wrong with the page as it is."""
        axe = resources.files("axe_playwright_python") / "axe.min.js"
        self.run(axe.read_text(encoding="utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[0];"
            "axe.run(document, {resultTypes: ['violations']}).then((result) => done("
            "result.violations.map((one) => `${one.id}: ${one.nodes[0].html}`)),"
            "(error) => done([String(error)]));"
        )
        return list(found)

    def faults(self) -> list[str]:
        """Return what the browser itself complained of since this was asked last."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] == "SEVERE" and "status of 4" not in entry["message"]
        ]

    def asked(self) -> set[str]:
        """Return the beginnings of all addresses that were asked for since this was asked last."""
        addresses = set()
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                address = message["params"]["request"]["url"]
                scheme = address.split(":", 1)[0]
                own = address.startswith(self.address) or scheme in (
                    "data",
                    "blob",
                    "about",
                    "chrome",
                )
                addresses.add("own" if own else address)
        return addresses


@contextmanager
def browsing(address: str, folder: Path) -> Iterator[Page]:
    """Start a browser for a server; the test is skipped, and says so, where there is none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    chromedriver = shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        pytest.skip("no Chromium here: apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    pytest.importorskip(
        "axe_playwright_python", reason="pip install --no-deps axe-playwright-python"
    )
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*_FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.add_experimental_option(
        "prefs", {"intl.accept_languages": "en-US", "download.default_directory": str(folder)}
    )
    service = webdriver.chrome.service.Service(chromedriver)
    driver = webdriver.Chrome(options=options, service=service)
    try:
        driver.set_script_timeout(30)
        page = Page(driver, address)
        page.size(1400)
        yield page
    finally:
        driver.quit()


def letters(text: str) -> str:
    """What is compared of a text: neither spaces, nor the bars and marks that tables are written with."""
    return "".join(
        one
        for one in unicodedata.normalize("NFKC", text)
        if not one.isspace() and one not in "|-;,"
    )
