"""UNISAL: one network for images and videos, with parts of its own for each of its training domains."""
