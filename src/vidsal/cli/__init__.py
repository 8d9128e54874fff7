"""The command line: nouns, then verbs. It joins the four folders and holds no logic of its own."""

from __future__ import annotations

from .app import main

__all__ = ["main"]
