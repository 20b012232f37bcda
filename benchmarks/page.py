"""Put the results into the page on performance and its chart: `python -m benchmarks.page`.

The prose is the page's own; only what stands between a table's two marks is made anew.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import chart, results
from benchmarks.tables import tables

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "performance.md"
CHART = DOCS / "images" / "performance.png"
_PLACE = re.compile(r"(?P<begin><!-- table: (?P<name>[a-z]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


def filled(page: str, made: Mapping[str, str]) -> str:
    """Return the page with the tables in their places; a place without a table of its name stays as it is.

    Raise ValueError for a table that has no place.
    """
    places = {place["name"] for place in _PLACE.finditer(page)}
    if homeless := sorted(set(made) - places):
        raise ValueError(
            f"the page has no place for: {', '.join(homeless)}; add <!-- table: {homeless[0]} -->"
        )

    def put(place: re.Match[str]) -> str:
        text = made.get(place["name"])
        return place[0] if text is None else f"{place['begin']}{text}\n{place['end']}"

    return _PLACE.sub(put, page)


def main() -> None:
    """Renew page and chart."""
    parser = argparse.ArgumentParser(description="Put the results into docs/performance.md and its chart.")
    results.add_results_option(parser)
    sections = results.read(parser.parse_args().results)
    PAGE.write_text(filled(PAGE.read_text(), tables(sections)))
    if "side_by_side" in sections:
        CHART.write_bytes(chart.png(sections["side_by_side"]))


if __name__ == "__main__":
    main()
