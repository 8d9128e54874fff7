"""LEDOV: 538 videos, free viewing by 32 observers, and the meta-benchmark on part of it."""
