"""Fuzzers: what strangers send, and what files may hold, broken in every way that comes to mind.

    python -m tests.fuzz                        all targets, a minute together
    python -m tests.fuzz monitor --seconds 7200
    python -m tests.fuzz database-file --count 10000
    python -m tests.fuzz decode --seed 7 --only 1234

Input number N of a target and a seed is always the same. What one of them breaks is written down with its number.
"""
