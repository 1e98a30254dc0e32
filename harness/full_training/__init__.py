"""`harness train`: a found setting trained in full, in stages, kept and gone on with."""
