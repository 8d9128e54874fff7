"""What is particular to each network in training: its modes and its loss. One module a system, each with `SYSTEM`."""
