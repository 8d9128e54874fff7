"""The converter: from a source folder to a release, one stimulus at a time."""
