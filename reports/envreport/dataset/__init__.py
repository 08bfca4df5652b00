"""Many runs as one dataset: Parquet files that pandas and DuckDB read, and what they say over machines and months."""
