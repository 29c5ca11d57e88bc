"""From an experiment to files a listener can be given: chosen, processed, blinded, ordered, exported and checked."""
