"""Views of the truth to search in: by meaning and by words."""
