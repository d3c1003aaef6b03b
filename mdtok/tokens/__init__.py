"""Tokens: numbers as states, metastable states and their names, windows, splits, and tokens back as structures."""

from mdtok.lazy import lazy_names
from mdtok.tokens.windows import windows  # at once: the module of the same name would stand in its place otherwise

__getattr__, _names = lazy_names(
    __name__,
    {
        "token_files": ["load_dtrajs"],
        "dtrajs": ["cut_outside", "relabel", "split_time_blocks", "split_trajectories"],
        "unassigned": ["assign_unassigned"],
        "connected": ["share_left_out"],
        "held_out": ["check_held_out", "check_no_overlap"],
        "tokenizer": ["StateTokenizer"],
        "core_sets": ["CoreSetTokenizer"],
        "stitching": ["stitch_frames", "Stitched"],
        "tica_choice": ["choose_tica"],
        "commitment": ["core_states", "running_mean", "nearest_value", "without_short_visits", "count_transitions"],
    },
)
__all__ = ["windows", *_names]
