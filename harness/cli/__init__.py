"""The command line, a command or a group of commands a file; `harness.cli` puts them together."""
