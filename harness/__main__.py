"""The `harness` command, also as `python -m harness`."""

import sys


def main() -> None:
    """Run the command. Ctrl-C ends it in the same way while it is still being imported."""
    try:
        from harness.cli.app import main as command

        command()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
