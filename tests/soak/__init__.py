"""Runs killed at random moments and resumed: what comes out is what an undisturbed run gives, or something is wrong."""
