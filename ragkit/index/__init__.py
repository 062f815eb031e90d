"""Views of the truth to search in: by meaning and by words."""

import ragkit.store  # noqa: F401 - it opens the indexes, and so has to be loaded before them
