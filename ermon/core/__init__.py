"""The core, without input and output: it takes events and times, and returns transitions and changes."""
