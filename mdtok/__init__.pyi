"""mdtok: molecular dynamics to sequences, transformers on them, and an honest verdict.

Data flows one way: ``md -> features -> tokens -> models -> kinetics -> insight -> report -> workflows``. These are the
public names.
"""

from mdtok.errors import DataError as DataError
from mdtok.errors import MdtokError as MdtokError
from mdtok.errors import PlatformError as PlatformError
from mdtok.errors import RunFolderError as RunFolderError
from mdtok.errors import SettingsError as SettingsError
from mdtok.errors import StructureError as StructureError
from mdtok.features import Contacts as Contacts
from mdtok.features import Dihedrals as Dihedrals
from mdtok.features import Feature as Feature
from mdtok.features import Featurizer as Featurizer
from mdtok.features import NativeContacts as NativeContacts
from mdtok.features import NativeFraction as NativeFraction
from mdtok.features import RadiusOfGyration as RadiusOfGyration
from mdtok.features import Rmsd as Rmsd
from mdtok.features import encode_periodic as encode_periodic
from mdtok.features import load_features as load_features
from mdtok.features import native_contacts as native_contacts
from mdtok.features import split_particles as split_particles
from mdtok.insight import compare_kinetic_distances as compare_kinetic_distances
from mdtok.insight import count_key_steps as count_key_steps
from mdtok.insight import diagnose_memory as diagnose_memory
from mdtok.insight import find_key_steps as find_key_steps
from mdtok.insight import summarise_attention as summarise_attention
from mdtok.insight import trace_causes as trace_causes
from mdtok.kinetics import Oracle as Oracle
from mdtok.kinetics import OracleForecast as OracleForecast
from mdtok.kinetics import OracleTokens as OracleTokens
from mdtok.kinetics import Scorecard as Scorecard
from mdtok.kinetics import accuracy_by_slice as accuracy_by_slice
from mdtok.kinetics import chapman_kolmogorov as chapman_kolmogorov
from mdtok.kinetics import classification_scores as classification_scores
from mdtok.kinetics import compare_cvs as compare_cvs
from mdtok.kinetics import dwell_times as dwell_times
from mdtok.kinetics import find_transition_paths as find_transition_paths
from mdtok.kinetics import fit_tica as fit_tica
from mdtok.kinetics import fit_vamp as fit_vamp
from mdtok.kinetics import forecast_errors as forecast_errors
from mdtok.kinetics import implied_timescales as implied_timescales
from mdtok.kinetics import mfpt_counted as mfpt_counted
from mdtok.kinetics import mfpt_from_msm as mfpt_from_msm
from mdtok.kinetics import nats_per_frame as nats_per_frame
from mdtok.kinetics import nearest_at_start as nearest_at_start
from mdtok.kinetics import order_of_events as order_of_events
from mdtok.kinetics import populations as populations
from mdtok.kinetics import reactive_flux as reactive_flux
from mdtok.kinetics import score as score
from mdtok.md import Trajectories as Trajectories
from mdtok.md import load_system as load_system
from mdtok.md import open_trajectories as open_trajectories
from mdtok.md import run_replicas as run_replicas
from mdtok.md import run_simulation as run_simulation
from mdtok.md import select_platform as select_platform
from mdtok.models import LSTM as LSTM
from mdtok.models import AgeOddsModel as AgeOddsModel
from mdtok.models import BayesianMarkovModel as BayesianMarkovModel
from mdtok.models import CopyLast as CopyLast
from mdtok.models import DynamicsModel as DynamicsModel
from mdtok.models import EventChainModel as EventChainModel
from mdtok.models import GridMarkov as GridMarkov
from mdtok.models import HiddenMarkovModel as HiddenMarkovModel
from mdtok.models import LaggedModel as LaggedModel
from mdtok.models import MarkovModel as MarkovModel
from mdtok.models import NanoGPT as NanoGPT
from mdtok.models import OrderKModel as OrderKModel
from mdtok.models import RunLengthModel as RunLengthModel
from mdtok.models import SemiMarkovModel as SemiMarkovModel
from mdtok.models import TrajBert as TrajBert
from mdtok.models import TrajectoryModel as TrajectoryModel
from mdtok.models import TunedModel as TunedModel
from mdtok.models import VectorAutoregression as VectorAutoregression
from mdtok.models import load_model as load_model
from mdtok.report import write_report as write_report
from mdtok.tokens import StateTokenizer as StateTokenizer
from mdtok.tokens import assign_unassigned as assign_unassigned
from mdtok.tokens import cut_outside as cut_outside
from mdtok.tokens import load_dtrajs as load_dtrajs
from mdtok.tokens import split_time_blocks as split_time_blocks
from mdtok.tokens import split_trajectories as split_trajectories
from mdtok.tokens import stitch_frames as stitch_frames
from mdtok.tokens import windows as windows

__version__: str
