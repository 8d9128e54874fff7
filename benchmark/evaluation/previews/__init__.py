"""What a run leaves to look at: small gray maps of some frames of each stimulus, beside the truth of these frames."""
