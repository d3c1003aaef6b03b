"""Damage to a finished run is named and mended by the same command; two processes do not share a folder."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import ROOT

from mdtok.errors import RunFolderError
from mdtok.workflows.folder import RunFolder


def arguments(folder, out):
    return (
        *("analyze_tokens", "--train", folder / "a.txt", folder / "b.txt", "--dt-ps", 1, "--models", "msm,order2"),
        *("--lagtime", 2, "--n-chains", 8, "--no-progress", "--out", out),
    )


@pytest.fixture(scope="module")
def finished(run_protocol, tmp_path_factory):
    """A token run, all stages done."""
    folder = tmp_path_factory.mktemp("damage")
    for name, seed in (("a", 1), ("b", 2)):
        tokens = np.cumsum(np.random.default_rng(seed).random(3000) < 0.1) % 3
        np.savetxt(folder / f"{name}.txt", tokens, fmt="%d")
    assert run_protocol(*arguments(folder, folder / "run")).returncode == 0
    return folder


def of_models(card):
    return {name: {k: v for k, v in row.items() if "second" not in k} for name, row in card["models"].items()}


def files_of(run):
    kept = [path for part in ("tokens", "models", "rollouts") for path in sorted((run / part).rglob("*"))]
    return [path.relative_to(run) for path in kept if path.is_file()]


@pytest.mark.parametrize(
    "part, kind",
    [
        ("tokens", "flipped"),
        ("tokens", "lost"),
        ("models/msm", "cut"),
        ("models/order2", "lost"),
        ("rollouts/msm", "empty"),
    ],
)
def test_the_same_command_makes_it_anew_with_the_same_numbers(run_protocol, finished, tmp_path, part, kind):
    run = tmp_path / "run"
    shutil.copytree(finished / "run", run)
    victim = sorted(path for path in (run / part).rglob("*") if path.is_file())[0]
    content = bytearray(victim.read_bytes())
    if kind == "lost":
        victim.unlink()
    else:
        content[len(content) // 2] ^= 1
        victim.write_bytes({"flipped": content, "cut": content[:-3], "empty": b""}[kind])
    name = victim.relative_to(run).as_posix()
    with pytest.raises(RunFolderError, match=f"{victim.name} is damaged or lost"):
        RunFolder.open(run)
    again = run_protocol(*arguments(finished, run))
    assert again.returncode == 0 and f"{name}: damaged or lost" in again.stderr, again.stderr[-2000:]
    cards = [json.loads((where / "report" / "scorecard.json").read_text()) for where in (run, finished / "run")]
    assert of_models(cards[0]) == of_models(cards[1])
    assert files_of(run) == files_of(finished / "run")
    RunFolder.open(run)


@pytest.mark.parametrize("kind", ["changed", "cut", "list", "empty", "binary"])
def test_a_damaged_manifest_is_one_line(run_protocol, finished, tmp_path, kind):
    run = tmp_path / "run"
    shutil.copytree(finished / "run", run)
    text = (run / "manifest.json").read_text(encoding="utf-8")
    damaged = {
        "changed": text.replace('"stages"', '"stoges"', 1),
        "cut": text[:-20],
        "list": "[1, 2]",
        "empty": "",
        "binary": "\x00\x01",
    }
    (run / "manifest.json").write_text(damaged[kind], encoding="utf-8")
    ran = run_protocol(*arguments(finished, run))
    assert ran.returncode == 2 and "manifest.json is damaged" in ran.stderr and ran.stderr.count("\n") == 1


def test_runs_of_earlier_versions_have_no_checksums_and_open(finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished / "run", run)
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    (run / "manifest.json").write_text(
        json.dumps({key: value for key, value in manifest.items() if key not in ("files", "checksum")}),
        encoding="utf-8",
    )
    assert RunFolder.open(run).is_done("score")


@pytest.mark.skipif(os.name == "nt", reason="files are not locked there")
def test_a_second_process_is_refused(finished, tmp_path):
    shutil.copytree(finished / "run", tmp_path / "run")
    code = f"from mdtok.workflows.folder import RunFolder; RunFolder({str(tmp_path / 'run')!r}, {{}})"
    first = RunFolder(tmp_path / "fresh", {"a": 1})
    assert RunFolder(tmp_path / "fresh", {"a": 1}).path == first.path  # the same process may
    code = f"from mdtok.workflows.folder import RunFolder; RunFolder({str(tmp_path / 'fresh')!r}, {{'a': 1}})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    second = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert second.returncode == 1 and "another process is at work in this folder" in second.stderr
    del first
    third = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert third.returncode == 0, third.stderr


@pytest.mark.parametrize("out", ["a.txt/run", "none"])
def test_a_folder_that_cannot_be_made_is_one_line(run_protocol, finished, out):
    place = finished / out if "/" in out else "/dev/null/run"
    ran = run_protocol(*arguments(finished, place))
    assert ran.returncode == 2 and "cannot be made" in ran.stderr and ran.stderr.count("\n") == 1


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(run_protocol, finished, tmp_path, monkeypatch):
    import errno

    from mdtok import storage

    write, n_written = storage.write_json, []

    def full(path, content):
        n_written.append(path)
        if len(n_written) == 6:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, content)

    with monkeypatch.context() as patched:
        for module in ("mdtok.models.saved", "mdtok.workflows.folder", "mdtok.workflows.data"):
            patched.setattr(f"{module}.write_json", full)
        ran = run_protocol(*arguments(finished, tmp_path / "run"))
    assert ran.returncode == 2 and "No space left on device; make room, and the same command goes on" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert run_protocol(*arguments(finished, tmp_path / "run")).returncode == 0
    cards = [json.loads((w / "report" / "scorecard.json").read_text()) for w in (tmp_path / "run", finished / "run")]
    assert of_models(cards[0]) == of_models(cards[1])


@pytest.mark.skipif(os.name == "nt", reason="signals are others there")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after_seconds", [0.8, 3.0])
def test_interrupted_it_ends_within_seconds_and_says_how_to_go_on(tmp_path, sent, after_seconds):
    """While modules are imported, and while replicas start: a terminal sends Ctrl-C to the workers as well."""
    command = [sys.executable, ROOT / "protocols" / "run_alanine.py", "--quick", "--length-ns", 100, "--no-progress"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*map(str, command), "--out", str(tmp_path / "run")],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    time.sleep(after_seconds)
    os.killpg(process.pid, sent) if sent == signal.SIGINT else process.send_signal(sent)
    began = time.monotonic()
    _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + sent and "Traceback" not in said, said
    assert said.rstrip().endswith("interrupted; the same command goes on from here.")
    assert time.monotonic() - began < 10  # five on a machine that is not busy with tests
