"""The report as data: its types, and how it is put together from results and verdicts."""
