"""Studies of finished runs: ablation, agreement of two, what a network rests on, stitched
structures; and of a system: folding."""
