"""`harness data check`: measure a user's pairs, report findings, preview and fix them."""
