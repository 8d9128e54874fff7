"""Looking at a release: statistics, pictures, and whether it is what it says."""
