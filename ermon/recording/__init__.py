"""Recordings: a daemon's input, from which ``ermon replay`` gets the same findings.

A recording has ExaBGP's lines unchanged, and between them ermon's own entries for all other input of the monitor. It
is split into files, each of which begins with a snapshot.
"""
