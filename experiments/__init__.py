"""One file per question, named by what varies; each is an entry point in pyproject.toml."""
