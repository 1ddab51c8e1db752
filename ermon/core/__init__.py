"""The machine without input and output: events and times in, transitions and changes out."""
