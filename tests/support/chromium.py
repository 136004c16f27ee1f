"""Chromium driven by the DevTools protocol over two pipes: no package, no port (Debian: apt-get install chromium)."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE_S = 180.0


class Chromium:
    """A browser behind two pipes: messages end with a zero byte."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._number, self._buffer = 0, b""

    def send(self, message: dict[str, Any]) -> int:
        """The number under which the answer comes."""
        self._number += 1
        os.write(self._to, json.dumps({"id": self._number} | message).encode() + b"\0")
        return self._number

    def receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = os.read(self._from, 1 << 16)
            assert chunk, "Chromium ended"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    @contextmanager
    def tab(self) -> Iterator[Page]:
        """A tab that shares nothing with tabs before: storage and cookies are its own."""
        page = Page(self)
        try:
            yield page
        finally:
            page.close()


class Page:
    """One tab: what it asked for (`requests`), what its console said (`complaints`), and its mouse and keys."""

    def __init__(self, chromium: Chromium) -> None:
        self._chromium, self.session = chromium, ""
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.choosers: list[int] = []  # file inputs whose dialogs were opened
        self._context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=self._context)["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to a command; AssertionError with the browser's words where it refuses."""
        message: dict[str, Any] = {"method": method, "params": parameters}
        number = self._chromium.send(message | ({"sessionId": self.session} if self.session else {}))
        while True:
            answer = self._chromium.receive()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            if answer.get("sessionId") == self.session:
                self._note(answer)

    def close(self) -> None:
        self.session = ""
        self.call("Target.disposeBrowserContext", browserContextId=self._context)

    def open(self, address: str, *, width: int = 1280, height: int = 800) -> None:
        """Loads an address and waits for its scripts to say that they are ready (data-ready of the body)."""
        self.resize(width, height)
        self.requests.clear()
        self.complaints.clear()
        self.call("Page.navigate", url=address)
        self.wait_for("document.body && document.body.dataset.ready === 'true'")

    def resize(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )

    def lay_out(self, width: int, height: int) -> None:
        """Resizes, and waits until the page is laid out so wide."""
        self.resize(width, height)
        self.wait_for(f"innerWidth === {width}")

    def wait_for_requests(self, word: str, count: int = 1) -> None:
        """Until the page has asked for so many addresses with the word in them."""
        self.wait_until(lambda: sum(word in each for each in self.requests) >= count, f"{count} of {word}")

    def evaluate(self, expression: str) -> Any:
        """The value of JavaScript, awaited; AssertionError with its error."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]["exception"].get("description")
        return answer["result"].get("value")

    def wait_for(self, expression: str, patience_s: float = PATIENCE_S) -> None:
        """Until JavaScript is true."""
        self.wait_until(lambda: self.evaluate(f"Boolean({expression})"), expression, patience_s)

    def wait_until(self, test: Callable[[], bool], words: str = "", patience_s: float = PATIENCE_S) -> None:
        """Until a function, asked every tenth of a second, says so."""
        end = time.monotonic() + patience_s
        while not test():
            text = self.evaluate("document.body?.innerText")  # the answer brings the browser's events with it
            assert time.monotonic() < end, f"still not: {words}; {self.complaints}; {text}"
            time.sleep(0.1)

    def text(self, selector: str) -> str:
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).textContent.trim()")

    def click(self, selector: str) -> None:
        """A click of the mouse in the middle of an element, scrolled into view."""
        self.mouse("click", *self.middle(selector))

    def middle(self, selector: str) -> tuple[float, float]:
        found = f"document.querySelector({json.dumps(selector)})"
        box = self.evaluate(
            f"(() => {{ const e = {found}; e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        return box[0], box[1]

    def mouse(self, how: str, x: float, y: float) -> None:
        """press, move, release, or click (press and release) at a point of the window."""
        for step in ("press", "release") if how == "click" else (how,):
            name = {"press": "mousePressed", "move": "mouseMoved", "release": "mouseReleased"}[step]
            stored = {"button": "left", "buttons": 1, "clickCount": 1}
            self.call("Input.dispatchMouseEvent", type=name, x=x, y=y, **stored)

    def double_click(self, x: float, y: float) -> None:
        self.mouse("click", x, y)
        for name in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=name, x=x, y=y, button="left", buttons=1, clickCount=2)

    def wheel(self, x: float, y: float, down: float) -> None:
        """Turns the wheel over a point of the window, by so many pixels down."""
        self.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=down)

    def choose_file(self, selector: str, path: Path) -> None:
        """Clicks what opens the browser's dialog for files, and takes one there."""
        self.call("Page.setInterceptFileChooserDialog", enabled=True)
        self.choosers.clear()
        self.click(selector)
        self.wait_until(lambda: bool(self.choosers))
        self.call("DOM.setFileInputFiles", files=[str(path)], backendNodeId=self.choosers[0])
        self.call("Page.setInterceptFileChooserDialog", enabled=False)

    def drop_file(self, path: Path, x: float, y: float) -> None:
        """Drags a file of the disk over the window and lets it fall at a point."""
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for name in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=name, x=x, y=y, data=data)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.mouse("press", *start)
        for share in (0.25, 0.5, 0.75, 1.0):
            self.mouse("move", start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)
        self.mouse("release", *end)

    def key(self, key: str) -> None:
        """A key pressed and released, such as Enter, Tab, ArrowLeft or a letter."""
        codes = {"Enter": 13, "Tab": 9, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, " ": 32}
        extra: dict[str, Any] = {"windowsVirtualKeyCode": codes.get(key, ord(key[0].upper()))}
        if len(key) == 1 or key == "Enter":
            extra["text"] = "\r" if key == "Enter" else key
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **extra)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def screenshot(self, path: Path) -> Path:
        picture = self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(picture["data"]))
        return path

    def _note(self, event: dict[str, Any]) -> None:
        values = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"])
        if event.get("method") == "Page.fileChooserOpened":
            self.choosers.append(values["backendNodeId"])
        if event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(values["exceptionDetails"].get("exception", {}).get("description")))
        if event.get("method") == "Log.entryAdded" and values["entry"]["level"] == "error":
            self.complaints.append(f"{values['entry']['text']} {values['entry'].get('url', '')}")


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A tab of a Chromium of its own."""
    with started(folder) as chromium, chromium.tab() as page:
        yield page


@contextmanager
def started(folder: Path) -> Iterator[Chromium]:
    """Chromium with its profile in the folder; the test is skipped where there is none."""
    if PROGRAM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    browser_reads, to_browser = os.pipe()
    from_browser, browser_writes = os.pipe()
    options = (
        "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-background-networking "
        "--remote-debugging-pipe"
    )
    command = f'exec "$0" {options} "--user-data-dir=$1" 3<&{browser_reads} 4>&{browser_writes}'
    process = subprocess.Popen(
        ["/bin/bash", "-c", command, PROGRAM, str(folder / "profile")],
        pass_fds=(browser_reads, browser_writes),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(browser_reads)
    os.close(browser_writes)
    try:
        yield Chromium(to_browser, from_browser)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        if process.poll() is None:
            process.kill()
        os.close(to_browser)
        os.close(from_browser)
