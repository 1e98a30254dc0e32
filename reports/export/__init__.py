"""A study as files for other programs: best.yaml, scripts, tables."""
