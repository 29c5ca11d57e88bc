"""Audio or arrays in, a `Score` out: how good, how varied, how close, and how sure."""
