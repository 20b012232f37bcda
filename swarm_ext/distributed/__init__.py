"""A run that is generated on many machines: the master's end, the worker's end, and what they say to each other."""
