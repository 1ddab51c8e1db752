"""Fuzzers: input from the network and from files, broken in many ways.

    python -m tests.fuzz                        all targets, a minute together
    python -m tests.fuzz monitor --seconds 7200
    python -m tests.fuzz database-file --count 10000
    python -m tests.fuzz decode --seed 7 --only 1234

Input number N of a target and a seed is always the same. A failure is reported with its number.
"""
