"""The reference predictors: what a model must beat before its score means anything."""
