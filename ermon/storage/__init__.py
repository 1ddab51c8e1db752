"""What must outlive ermon: findings, baselines, maintenance windows and deliveries, in one SQLite file."""
