"""From releases to batches: what an epoch shows, and the tensors of a batch. One module a system, with `make_feed`."""
