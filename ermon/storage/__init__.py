"""Stores the state that survives a restart in one SQLite file: findings, baselines, maintenance windows, deliveries."""
