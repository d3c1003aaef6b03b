"""Insight: where a model looks, and whether what it looks at is more than chance."""

from mdtok.insight.attention import attention_blocks as attention_blocks
from mdtok.insight.attention import mean_attention_distance as mean_attention_distance
from mdtok.insight.attention import segment_attention as segment_attention
from mdtok.insight.attention import time_difference_shares as time_difference_shares
from mdtok.insight.attention import uniform_attention as uniform_attention
from mdtok.insight.attention import visible_frames as visible_frames
from mdtok.insight.attention import weight_by_time_difference as weight_by_time_difference
from mdtok.insight.attention_summary import AttentionSummary as AttentionSummary
from mdtok.insight.attention_summary import summarise_attention as summarise_attention
from mdtok.insight.key_step_counts import KeyStepCount as KeyStepCount
from mdtok.insight.key_step_counts import count_key_steps as count_key_steps
from mdtok.insight.key_steps import KeySteps as KeySteps
from mdtok.insight.key_steps import find_key_steps as find_key_steps
from mdtok.insight.key_steps import received_attention as received_attention
from mdtok.insight.kinetic_distance import KineticDistanceComparison as KineticDistanceComparison
from mdtok.insight.kinetic_distance import compare_kinetic_distances as compare_kinetic_distances
from mdtok.insight.kinetic_distance import kinetic_distances as kinetic_distances
from mdtok.insight.memory import MemoryAtInterval as MemoryAtInterval
from mdtok.insight.memory import MemoryDiagnosis as MemoryDiagnosis
from mdtok.insight.memory import diagnose_memory as diagnose_memory
from mdtok.insight.prompts import Prompts as Prompts
from mdtok.insight.prompts import choose_prompts as choose_prompts
from mdtok.insight.tracing import CausalTraces as CausalTraces
from mdtok.insight.tracing import TracedSite as TracedSite
from mdtok.insight.tracing import trace_causes as trace_causes
