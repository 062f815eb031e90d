"""From a question to passages: filters, dense and lexical search, fusion."""
