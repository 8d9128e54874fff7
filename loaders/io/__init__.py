"""Files on disk and what surrounds them: atomic writes, Parquet, registers, names, progress, workers, compiled code."""
