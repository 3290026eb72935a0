"""A real Chromium for tests of pages: Debian's, never a download; tests are skipped where there is none."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"]
GIVE_UP_S = 100.0
"""For each wait, however busy the machine is; modules that start a browser give a test the time for some."""


@contextmanager
def open_chromium() -> Iterator[Any]:
    """Start Chromium under Playwright, or skip with the reason."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS, timeout=1e3 * GIVE_UP_S)
        try:
            yield browser
        finally:
            browser.close()


def wait_until(page: Any, expression: str, timeout_s: float = GIVE_UP_S) -> None:
    """Wait for a condition from outside: in the page, its own policy forbids strings as code."""
    limit = time.monotonic() + timeout_s
    while not page.evaluate(expression):
        assert time.monotonic() < limit, f"never came true: {expression}"
        page.wait_for_timeout(20)


class Watched:
    """A page that keeps what goes wrong in it and what it asks for.

    ``problems``: errors and warnings of the console, uncaught errors; ``requests``: addresses but for data:
    and blob:, which never leave the page.
    """

    def __init__(self, browser: Any, **context: Any) -> None:
        self.context = browser.new_context(**context)
        self.context.set_default_timeout(1e3 * GIVE_UP_S)
        self.page = self.context.new_page()
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", self._see)

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text}")

    def _see(self, request: Any) -> None:
        if not request.url.startswith(("data:", "blob:")):
            self.requests.append(request.url)

    def close_and_check(self) -> None:
        """Nothing went wrong, and nothing but the page was asked for."""
        self.context.close()
        assert self.problems == []
        assert all(url.startswith("file:") for url in self.requests)
        assert len(set(self.requests)) == 1
