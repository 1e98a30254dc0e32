"""What a person reads: tables, the exported config, the report."""
