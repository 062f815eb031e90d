"""Word, PowerPoint and Excel files (the extra ``office``)."""
