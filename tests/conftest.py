"""What all tests share: the real data beside the checkout, bounded threads, and running the scripts as a user does."""

import os
from pathlib import Path

# One thread a worker where workers run side by side (`make test`).
os.environ.setdefault("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["HF_HUB_OFFLINE"] = "1"

import hypothesis
import pytest
import scripts

# No test is timed: a busy machine is no failure.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data():
    """Folder of real data, or a skip with the reason."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def run_protocol():
    """Run ``protocols/<name>.py`` with arguments in this process; gives a CompletedProcess."""
    return scripts.run_protocol


@pytest.fixture(scope="session")
def run_command():
    """Run ``python -m mdtok`` with arguments in this process; gives a CompletedProcess."""
    return scripts.run_command


@pytest.fixture(scope="session")
def run_script_truly():
    """Run ``protocols/<name>.py`` with arguments in a process of its own, as a user does; gives its
    CompletedProcess."""
    return scripts.run_script_truly
