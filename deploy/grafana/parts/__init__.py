"""The parts that ``dashboard.py`` puts together."""
