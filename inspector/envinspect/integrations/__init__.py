"""Where other programs ask by themselves: each module here is an entry point of one of them (pyproject.toml)."""
