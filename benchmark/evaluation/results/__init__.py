"""What a run leaves: its record, its tables, what follows from them, and what may be compared."""
