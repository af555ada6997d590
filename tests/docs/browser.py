"""The page as a reader uses it: Chromium, clicked and typed into."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

SECONDS = 30


@contextmanager
def started(program: str, driver: str, folder: str) -> Iterator[webdriver.Chrome]:
    """A browser with a profile of its own in `folder`."""
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (
        "--headless=new",
        "--window-size=1280,1600",
        f"--user-data-dir={folder}",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--no-first-run",
        "--no-proxy-server",
        # Whatever the page would fetch from elsewhere is not there.
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        # Root, and many a container, cannot have Chromium's sandbox; the page is ours.
        "--no-sandbox",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield browser
    finally:
        browser.quit()


@dataclass
class Page:
    """The API's page, opened."""

    browser: webdriver.Chrome
    address: str

    def open(self, link: str = "") -> None:
        """Load it and wait until it is drawn; `link` leads to one of its calls."""
        self.browser.get(f"{self.address}/docs{link}")
        self.shown(".opblock-tag")

    def calls(self) -> set[tuple[str, str]]:
        """Verb and path of every call that it shows, group by group."""
        found = set()
        for tag in self.tags():
            self.toggle(tag, open=True)
            shown = self.browser.execute_script(
                "return [...document.querySelectorAll('.opblock-summary')].filter(each => each.checkVisibility())"
                ".map(each => [each.querySelector('.opblock-summary-method').textContent,"
                " each.querySelector('.opblock-summary-path').dataset.path])"
            )
            found |= {(verb.lower(), path) for verb, path in shown}
            self.toggle(tag, open=False)
        return found

    def toggle(self, tag: str, *, open: bool) -> None:
        """Open or close a group of calls."""
        head = self.shown(f".opblock-tag[data-tag='{tag}']")
        if head.get_attribute("data-is-open") != str(open).lower():
            self._press(head)
            self.shown(f".opblock-tag[data-tag='{tag}'][data-is-open='{str(open).lower()}']")

    def tags(self) -> list[str]:
        """The groups of calls, from above."""
        return [
            tag.get_attribute("data-tag") or "" for tag in self.browser.find_elements(By.CSS_SELECTOR, "[data-tag]")
        ]

    def call(
        self, tag: str, name: str, body: Mapping[str, Any] | None = None, /, **parameters: str
    ) -> tuple[int, dict[str, Any]]:
        """Try a call: open it, fill in path and body, press Execute; status and answer as the page shows them."""
        self.toggle(tag, open=True)
        block = self.shown(f"#operations-{tag.replace(' ', '_')}-{name}")
        if "is-open" not in (block.get_attribute("class") or ""):
            self._press(block.find_element(By.CSS_SELECTOR, ".opblock-summary-control"))
        for parameter, value in parameters.items():
            self._type(f"#{block.get_attribute('id')} [data-param-name='{parameter}'] input", value)
        if body is not None:
            self._type(f"#{block.get_attribute('id')} .body-param textarea", json.dumps(body))
        self._press(self.shown(f"#{block.get_attribute('id')} .execute"))
        answer = self.shown(f"#{block.get_attribute('id')} .live-responses-table")
        status = answer.find_element(By.CSS_SELECTOR, "tbody .response-col_status").text.split()[0]
        text = answer.find_element(By.CSS_SELECTOR, "tbody .response-col_description pre").get_property("textContent")
        found: dict[str, Any] = json.loads(str(text))
        return int(status), found

    def authorize(self, token: str) -> None:
        """Put a token of one's own into the page's field for it."""
        self._press(self.shown(".btn.authorize"))
        self._type(".auth-container input", token)
        self._press(self.shown(".auth-btn-wrapper .authorize"))
        self._press(self.shown(".auth-btn-wrapper .btn-done"))

    def follow(self, text: str, selector: str) -> None:
        """Click a link and wait for what it leads to."""
        self._press(self.browser.find_element(By.LINK_TEXT, text))
        self.shown(selector)

    def errors(self) -> list[str]:
        """What the console has complained of; what the page's policy forbade is among it."""
        return [line["message"] for line in self.browser.get_log("browser") if line["level"] in ("SEVERE", "WARNING")]

    def requested(self) -> set[str]:
        """Every address that was asked for; what is inside the page or the browser (`data:`, `chrome:`) is none."""
        events = (json.loads(line["message"])["message"] for line in self.browser.get_log("performance"))
        urls = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
        return {url for url in urls if url.startswith(("http", "ws", "ftp"))}

    def shown(self, selector: str) -> WebElement:
        """The first element that fits, as soon as it can be seen."""
        waiting = WebDriverWait(self.browser, SECONDS, poll_frequency=0.05)
        found: WebElement = waiting.until(
            lambda browser: next(
                (each for each in browser.find_elements(By.CSS_SELECTOR, selector) if each.is_displayed()), False
            ),
            f"{selector} is not shown",
        )
        return found

    def _press(self, element: WebElement) -> None:
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def _type(self, selector: str, text: str) -> None:
        field = self.shown(selector)
        field.send_keys(Keys.CONTROL, "a")
        self.browser.execute_cdp_cmd("Input.insertText", {"text": text})  # at once, as if pasted
