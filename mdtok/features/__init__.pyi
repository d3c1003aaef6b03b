"""Features: molecules, particles and feature files as numbers."""

from mdtok.features.arrays import as_features as as_features
from mdtok.features.arrays import encode_periodic as encode_periodic
from mdtok.features.contacts import Contacts as Contacts
from mdtok.features.feature import Feature as Feature
from mdtok.features.feature_files import FeatureTable as FeatureTable
from mdtok.features.feature_files import load_features as load_features
from mdtok.features.featurizer import Dihedrals as Dihedrals
from mdtok.features.featurizer import Featurizer as Featurizer
from mdtok.features.named import named_features as named_features
from mdtok.features.native import NativeContacts as NativeContacts
from mdtok.features.native import NativeFraction as NativeFraction
from mdtok.features.native import native_contacts as native_contacts
from mdtok.features.particles import split_particles as split_particles
from mdtok.features.shape import RadiusOfGyration as RadiusOfGyration
from mdtok.features.shape import Rmsd as Rmsd
