"""The tables of a board to take along: CSV, Parquet, JSON, LaTeX, BibTeX, and one archive."""
