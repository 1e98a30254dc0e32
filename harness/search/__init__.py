"""The search: plan, driver, finalists and result."""
