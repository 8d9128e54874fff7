"""Every score of a frame from one visit to its pixels; the definitions in metrics/ remain the truth."""
