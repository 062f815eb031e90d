"""A question read once, for all that look for its answer."""
