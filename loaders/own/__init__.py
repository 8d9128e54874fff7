"""Recordings of one's own: tables of samples or fixations by a column map, and forms in a file of one's own."""
