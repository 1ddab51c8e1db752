"""The checks: which subjects each has, how it judges them, and what its guide says. Pure, without memory."""
