"""The Optuna study, the record of a search: database, locks, samplers and metadata."""
