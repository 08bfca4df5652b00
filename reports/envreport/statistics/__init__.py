"""Figures from rows: estimates with their intervals, how steady a series is, what a start is cut into."""
