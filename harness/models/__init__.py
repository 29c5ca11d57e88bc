"""Models the harness can sample from."""
