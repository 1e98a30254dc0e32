"""From what the user asked for to a verdict: the plan, the driver, the result."""
