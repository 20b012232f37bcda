"""Says what is in order and what is not, and what to do about it: what `swarm-ext doctor` prints.

Each module here is a subject: what is looked at, and a pure judgement of what was seen. `examination` puts them together.
"""
