"""A built site against what it promises: links, the offline rule, accessibility, contrast, budgets."""
