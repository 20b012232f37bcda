"""Keeps the garbage collector's pauses out of the schedule.

Arrivals leave it nothing to do: whatever refers to each other in a circle is taken apart when an arrival ends. (Left to the
collector, those circles took 29 % of the CPU time at 3,000 new connections/s, in pauses of 9 ms and 100 ms.) What remains
is what tasks leave, and a full collection looks at everything that lives. So what lives when a run begins, Locust and all
that was imported, is set aside: a full collection then took 18 to 37 ms instead of 104 to 150.

While many arrivals are in flight their number goes up and down, and with it that of objects: by Python's threshold of 700
new ones that alone sets off a collection 13 times a second. At 4,000 new connections/s to a server of 100 ms the lag's 99th
percentile was 2.6 and 4.8 ms so, 0.8 and 1.3 ms with a threshold of 5,000, and 0.8 and 6.2 ms without any collection.
Thresholds far above that made the pauses longer (0.3 ms became 20).
"""

from __future__ import annotations

import gc

NEW_OBJECTS = 5_000
"""So many objects more than at the last collection set off the next."""


def set_aside() -> None:
    """Let no collection look at what lives now, until this is called the next time, and let them be rarer.

    It takes no time itself.
    """
    newest, *older = gc.get_threshold()
    if newest:  # else somebody has switched it off
        gc.set_threshold(max(newest, NEW_OBJECTS), *older)
    gc.unfreeze()
    gc.freeze()
