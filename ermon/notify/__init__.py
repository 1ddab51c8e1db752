"""Tells others what ermon finds: Alertmanagers and webhooks."""
