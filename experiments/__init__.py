"""One file per question, named by what varies."""
