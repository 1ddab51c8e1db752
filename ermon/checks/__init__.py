"""The questions: what each check is about, how it is judged, and what its guide says. Pure, without memory."""
