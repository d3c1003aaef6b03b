"""Features: coordinates to numbers, numbers to tokens, tokens to windows."""

from mdtok.features.windows import windows  # at once: the module of the same name would stand in its place otherwise
from mdtok.lazy import lazy_names

__getattr__, _names = lazy_names(__name__, {
    "arrays": ["as_features", "encode_periodic"],
    "dtrajs": ["cut_outside", "load_dtrajs", "relabel", "split_time_blocks", "split_trajectories"],
    "held_out": ["check_held_out"],
    "feature_files": ["FeatureTable", "load_features"],
    "feature": ["Feature"],
    "featurizer": ["Dihedrals", "Featurizer"],
    "contacts": ["Contacts"],
    "native": ["NativeContacts", "NativeFraction", "native_contacts"],
    "named": ["named_features"],
    "shape": ["RadiusOfGyration", "Rmsd"],
    "tokenizer": ["StateTokenizer"],
    "stitching": ["stitch_frames", "Stitched"],
    "tica_choice": ["choose_tica"],
    "particles": ["split_particles"],
    "commitment": ["core_states", "running_mean", "nearest_value", "without_short_visits", "count_transitions"],
})
__all__ = ["windows", *_names]
