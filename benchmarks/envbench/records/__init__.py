"""What a run writes: its words, its quantities, its rows and its record."""
