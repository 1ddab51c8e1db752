"""Recordings: a daemon's input, so that ``ermon replay`` finds the same again.

A recording is ExaBGP's lines as they came, and between them entries of ermon's own for everything else that
moves the monitor. It is cut into files, each of which begins with a snapshot.
"""
