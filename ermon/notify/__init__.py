"""Sends findings to Alertmanagers and webhooks."""
