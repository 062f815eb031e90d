"""One loader per format, and the registry that finds them."""
