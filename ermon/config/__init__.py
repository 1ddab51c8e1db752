"""From ``ermon.yml`` to an inventory: its shape, its rules, its lints, and the secrets that it names."""
