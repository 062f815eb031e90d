"""What every test runs under: no model hub, no keys, and a cache of the run's own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from uuid import uuid4

import pytest


def pytest_configure() -> None:
    """Let the processes that tests start be interrupted, also where this one runs in the background.

    A shell without job control starts background jobs with SIGINT ignored, and children inherit it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The default model is compiled once in a run, shared by its workers, and never left over."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAGKIT_CACHE", str(shared / "ragkit-cache"))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("TRANSFORMERS_OFFLINE", "1")
        patch.setenv("RAGKIT_DEVICE", "cpu")
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "RAGKIT_KB", "RAGKIT_THREADS"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(autouse=True)
def _nothing_named_before(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No test finds a model named that another one named."""
    monkeypatch.setenv("RAGKIT_STATE", str(tmp_path_factory.getbasetemp() / "state" / uuid4().hex))
