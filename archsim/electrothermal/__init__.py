"""Heat of replays: power of a result on a stack, and what its temperatures do to the replay."""
