"""The whole service in one process on a virtual clock, with faults at every boundary.

`python -P -m tests.simulation --seeds N` runs seeds; docs/reliability.md says what is proved.
"""
