"""Sample from music models, measure the samples against real music, and say how sure each figure is."""
