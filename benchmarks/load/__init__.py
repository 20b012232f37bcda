"""The locustfiles that are measured."""

from pathlib import Path

LOAD = Path(__file__).parent
MARK = "MEASURED "
"""Begins the line in which a Locust process tells what it measured of itself."""
