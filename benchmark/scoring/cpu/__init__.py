"""Every score of a frame from statistics measured once; the definitions in metrics/ remain the reference."""
