"""Opens a page in Chromium as a reader would, and prints as JSON what happened. Run as a program.

A program of its own, because a browser's driver and gevent's patches do not get on in one process.
"""

import json
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def time_axes(page: Page) -> list[str]:
    labels = page.eval_on_selector_all(
        "g.role-axis[aria-label*='run began']", "all => all.map(a => a.ariaLabel)"
    )
    return [label.partition("with values ")[2] for label in labels]


def tooltip(page: Page) -> str:
    page.wait_for_selector("#vg-tooltip-element.visible", timeout=10_000)
    return page.inner_text("#vg-tooltip-element")


def in_the_middle(page: Page, chart: str) -> tuple[float, float]:
    page.locator(f"[data-chart={chart}]").scroll_into_view_if_needed()
    box = page.locator(f"[data-chart={chart}] svg").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def interact(page: Page) -> dict[str, Any]:
    seen: dict[str, Any] = {"whole": time_axes(page)}
    page.click("button:text('Zoom in')")
    seen["zoomed"] = time_axes(page)
    x, y = in_the_middle(page, "load")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 200, y, steps=5)
    page.mouse.up()
    seen["dragged"] = time_axes(page)
    page.click("button:text('Whole run')")
    seen["reset"] = time_axes(page)
    page.mouse.move(*in_the_middle(page, "load"))
    seen["load_tooltip"] = tooltip(page)
    act = page.locator("[data-chart=replicas] g.mark-symbol path[aria-label*='scaled out']").first
    act.scroll_into_view_if_needed()
    act.hover(force=True)
    page.wait_for_function("document.querySelector('#vg-tooltip-element').innerText.includes('reason')")
    seen["decision_tooltip"] = tooltip(page)
    return seen


def visit(browser: Any, url: str, *, steps: bool) -> dict[str, Any]:
    """Return what the page asked for, said, drew, and how it behaved."""
    page = browser.new_page(viewport={"width": 1366, "height": 900}, color_scheme="dark")
    requests: list[str] = []
    messages: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(url)
    page.wait_for_selector("html[data-ready]", timeout=60_000)
    result = {
        "requests": requests,
        "messages": messages,
        "charts": page.eval_on_selector_all("[data-chart]", "all => all.map(c => c.dataset.chart)"),
        "drawn": page.eval_on_selector_all(
            "[data-chart]:has(svg path)", "all => all.map(c => c.dataset.chart)"
        ),
        "hacked": page.evaluate("window.hacked === undefined ? null : String(window.hacked)"),
        "images": page.locator("img").count(),
        "text": page.inner_text("body"),
    }
    if steps:
        result.update(interact(page))
    page.set_viewport_size({"width": 390, "height": 844})
    result["phone_width"] = page.evaluate("document.documentElement.scrollWidth")
    page.close()
    return result


def main(chromium: str, page: str, mode: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        try:
            print(json.dumps(visit(browser, Path(page).as_uri(), steps=mode == "interact")))
        finally:
            browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
