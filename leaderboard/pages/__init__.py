"""The pages of a site, a module a kind: what is shown is escaped, every page opens from disk."""
