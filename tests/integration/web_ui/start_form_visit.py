"""Fills in the start form in Chromium as a person would, and prints as JSON what it showed. Run as a program.

A program of its own, because a browser's driver and gevent's patches do not get on in one process.
"""

import json
import sys
from typing import Any

from playwright.sync_api import Page, sync_playwright

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
DESCRIBE = """
all => Object.fromEntries(all.map(field => [field.name,
    field.tagName === 'SELECT'
        ? {kind: 'select', value: field.value, choices: [...field.options].map(option => option.value)}
        : field.type === 'checkbox' ? {kind: 'checkbox', value: field.checked} : {kind: field.type, value: field.value}]))
"""


def fill_in(page: Page) -> dict[str, Any]:
    page.click("text=Custom parameters")
    custom = page.locator(".MuiAccordion-root", has_text="Custom parameters")
    fields = custom.locator("input[name], select[name]").evaluate_all(DESCRIBE)
    page.fill("[name=lamb]", "abc")
    page.click("button:text-is('Start')")
    alert = page.locator(".MuiAlert-message")
    alert.wait_for(timeout=30_000)
    refused = alert.inner_text()
    page.fill("[name=lamb]", "5")
    page.check("[name=keepAlive]")
    page.click("button:text-is('Start')")
    page.wait_for_selector("button:text-is('Edit')", timeout=30_000)
    page.wait_for_selector("text=/^running$/i", timeout=30_000)
    return {"fields": fields, "refused": refused}


def main(chromium: str, url: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        try:
            page = browser.new_page()
            page.goto(url)
            print(json.dumps(fill_in(page)))
        finally:
            browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
