"""Features: molecules, particles and feature files as numbers."""

from mdtok.lazy import lazy_names

__getattr__, __all__ = lazy_names(
    __name__,
    {
        "arrays": ["as_features", "encode_periodic"],
        "feature_files": ["FeatureTable", "load_features"],
        "feature": ["Feature"],
        "featurizer": ["Dihedrals", "Featurizer"],
        "contacts": ["Contacts"],
        "native": ["NativeContacts", "NativeFraction", "native_contacts"],
        "named": ["named_features"],
        "shape": ["RadiusOfGyration", "Rmsd"],
        "particles": ["split_particles"],
    },
)
