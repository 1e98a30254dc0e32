"""Console output: events, rendered as a live view, plain lines or JSON lines."""
