"""`harness train`: full training with the parameters of a search, in stages, resumable."""
