"""`harness train`: full, resumable training in stages, with parameters that a search found."""
