"""Optuna's record of a study, typed: attributes of the study, its trials and finalists; queries."""
