"""What the terminal shows: events in; a live view, plain lines or JSON lines out."""
