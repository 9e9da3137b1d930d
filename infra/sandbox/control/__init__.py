"""The control port: what tests and tools may look at and change."""
