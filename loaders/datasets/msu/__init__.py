"""The saliency challenges of MSU: three data sets in one layout; a module a set, `challenge` what they share."""
