"""Files on disk: written whole or not at all, Parquet, worker processes, compiled functions, the shipped registers."""
