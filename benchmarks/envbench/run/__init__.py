"""One run: its order, its clock, its rows and its record, and the proof that nothing of it is left."""
