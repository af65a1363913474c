"""One sampling run: which step a network call belongs to, what runs for it, and what is kept."""
