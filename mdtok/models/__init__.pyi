"""Models of dynamics: one interface for tokens, one for coordinates, and everything that stands behind them.

`counted` (Markov models and their kin), `networks` (nano-GPT, LSTM), `coordinates` (the trajectory BERT and its
baselines), `densities` (the density-GPT and a Markov model by kernels) and `wrappers` (a model around another one).
"""

from mdtok.models.coordinates.baselines import CopyLast as CopyLast
from mdtok.models.coordinates.baselines import VectorAutoregression as VectorAutoregression
from mdtok.models.coordinates.grid_markov import GridMarkov as GridMarkov
from mdtok.models.coordinates.trajbert import TrajBert as TrajBert
from mdtok.models.counted.age_odds import AgeOddsModel as AgeOddsModel
from mdtok.models.counted.backoff import OrderKModel as OrderKModel
from mdtok.models.counted.bayesian import BayesianMarkovModel as BayesianMarkovModel
from mdtok.models.counted.event_chain import EventChainModel as EventChainModel
from mdtok.models.counted.hidden import HiddenMarkovModel as HiddenMarkovModel
from mdtok.models.counted.history import HistoryMarkovModel as HistoryMarkovModel
from mdtok.models.counted.markov import MarkovModel as MarkovModel
from mdtok.models.counted.semi_markov import SemiMarkovModel as SemiMarkovModel
from mdtok.models.densities.density_gpt import DensityGPT as DensityGPT
from mdtok.models.densities.kernel_markov import KernelMarkov as KernelMarkov
from mdtok.models.dynamics import DynamicsModel as DynamicsModel
from mdtok.models.networks.lstm import LSTM as LSTM
from mdtok.models.networks.nanogpt import NanoGPT as NanoGPT
from mdtok.models.saved import load_model as load_model
from mdtok.models.trajectory_model import TrajectoryModel as TrajectoryModel
from mdtok.models.wrappers.lagged import LaggedModel as LaggedModel
from mdtok.models.wrappers.run_length import RunLengthModel as RunLengthModel
from mdtok.models.wrappers.tuned import TunedModel as TunedModel
