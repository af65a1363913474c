"""Images and videos from prompts: load, read, sample, save, show side by side."""
