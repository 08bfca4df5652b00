"""Puts evidence together: which layers it adds up to, which of it is overruled, and whether enough was read."""
