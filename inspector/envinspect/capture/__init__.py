"""Writes a captured system: every question that is asked of it, with what names a machine or a person taken out."""
