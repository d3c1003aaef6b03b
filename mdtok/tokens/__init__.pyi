"""Tokens: numbers as states, metastable states and their names, windows, splits, and tokens back as structures."""

from mdtok.tokens.commitment import core_states as core_states
from mdtok.tokens.commitment import count_transitions as count_transitions
from mdtok.tokens.commitment import nearest_value as nearest_value
from mdtok.tokens.commitment import running_mean as running_mean
from mdtok.tokens.commitment import without_short_visits as without_short_visits
from mdtok.tokens.connected import share_left_out as share_left_out
from mdtok.tokens.core_sets import CoreSetTokenizer as CoreSetTokenizer
from mdtok.tokens.dtrajs import cut_outside as cut_outside
from mdtok.tokens.dtrajs import relabel as relabel
from mdtok.tokens.dtrajs import split_time_blocks as split_time_blocks
from mdtok.tokens.dtrajs import split_trajectories as split_trajectories
from mdtok.tokens.held_out import check_held_out as check_held_out
from mdtok.tokens.held_out import check_no_overlap as check_no_overlap
from mdtok.tokens.stitching import Stitched as Stitched
from mdtok.tokens.stitching import stitch_frames as stitch_frames
from mdtok.tokens.tica_choice import choose_tica as choose_tica
from mdtok.tokens.token_files import load_dtrajs as load_dtrajs
from mdtok.tokens.tokenizer import StateTokenizer as StateTokenizer
from mdtok.tokens.unassigned import assign_unassigned as assign_unassigned
from mdtok.tokens.windows import windows as windows
