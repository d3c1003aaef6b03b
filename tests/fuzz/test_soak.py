"""A short form of `soak.py`: some hundred damaged inputs, none of which may end, hang or fool its reader."""

import os

import pytest
from soak import BAD, soak


@pytest.mark.skipif(os.name == "nt", reason="inputs are read in forked processes")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_damaged_inputs_are_refused_or_read_as_they_should():
    said = []
    table = soak(52, seed=11, say=said.append)
    assert not said and len(table) == 16
    assert sum(counts["refused"] for counts in table.values()) > 25
    assert not any(counts[outcome] for counts in table.values() for outcome in BAD)
