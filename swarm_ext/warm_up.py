"""Does before there is load what takes long, so that no arrival waits for it."""

from __future__ import annotations

import functools
import inspect

from locust import argument_parser


def warm_up() -> None:
    """Look once at who calls, and once at Locust's own options.

    Locust looks at who calls to note who stops a run: the first time takes 21 ms, the next 0.1 ms. A worker looks at the
    options' defaults for each of the options in each message that tells it how many users to have, and makes a whole parser
    every time: 0.15 to 0.6 s in which it offers nothing, so that all that was due comes at once. They never change.
    """
    inspect.getframeinfo(inspect.stack()[1][0])
    if not hasattr(argument_parser.default_args_dict, "cache_info"):
        argument_parser.default_args_dict = functools.cache(argument_parser.default_args_dict)
    argument_parser.default_args_dict()
