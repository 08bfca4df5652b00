"""How large the artefacts are, and what they hold."""
