"""The command line: one table of actions, reached by click or, for calls that need no parsing, without it."""
