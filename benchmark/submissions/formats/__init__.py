"""The file formats of stored predictions."""
