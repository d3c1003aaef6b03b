"""What all tests share: the real data beside the checkout, bounded threads, and running the scripts as a user does."""

import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest  # noqa: E402

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
    """Run ``protocols/<name>.py`` with arguments, as a user does; gives the CompletedProcess."""

    def run(name, *arguments, timeout=300, cwd=None):
        command = [sys.executable, str(ROOT / "protocols" / f"{name}.py"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=cwd)

    return run
