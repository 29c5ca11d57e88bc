"""Audio or arrays in, `Score` out: metrics of generated music that carry their own uncertainty."""
