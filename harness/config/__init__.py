"""Settings: validated models, profiles, and reading `best.yaml`."""
