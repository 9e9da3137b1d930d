"""The bundle's entry point: what a desktop client starts. It stands in the bundle as `server/`."""

from infra.cli.__main__ import main

if __name__ == "__main__":
    main(["serve"])
