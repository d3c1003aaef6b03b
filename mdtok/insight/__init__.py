"""Insight: where a model looks, and whether what it looks at is more than chance."""

from mdtok.lazy import lazy_names

__getattr__, __all__ = lazy_names(
    __name__,
    {
        "attention": [
            "visible_frames",
            "uniform_attention",
            "attention_blocks",
            "segment_attention",
            "time_difference_shares",
            "weight_by_time_difference",
            "mean_attention_distance",
        ],
        "attention_summary": ["summarise_attention", "AttentionSummary"],
        "prompts": ["choose_prompts", "Prompts"],
        "tracing": ["trace_causes", "CausalTraces", "TracedSite"],
        "kinetic_distance": ["compare_kinetic_distances", "kinetic_distances", "KineticDistanceComparison"],
        "memory": ["diagnose_memory", "MemoryDiagnosis", "MemoryAtInterval"],
        "key_steps": ["received_attention", "find_key_steps", "KeySteps"],
        "key_step_counts": ["count_key_steps", "KeyStepCount"],
    },
)
