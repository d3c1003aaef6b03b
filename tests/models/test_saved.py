"""The archive of models: every class with a file that is missing, empty, cut short, or of another class or version."""

import contextlib
import json

import numpy as np
import pytest

from mdtok.errors import DataError, MdtokError, RunFolderError
from mdtok.models import MarkovModel, NanoGPT, load_model
from mdtok.models.catalogue import make_models

NAMES = (
    "msm,bayesian-msm,order2,semi-markov,age-odds,hmm2,nanogpt-tiny,lstm-tiny-plain,run-length-order2,order2-lag2,"
    "order-tuned,copy-last,ornstein-uhlenbeck,grid-msm,trajbert-small"
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder of every kind of model, by name."""
    rng = np.random.default_rng(7)
    tokens, walks = [rng.integers(0, 3, 300)], [np.cumsum(rng.normal(size=(60, 2)), axis=0) for _ in range(4)]
    folder = tmp_path_factory.mktemp("models")
    for name, model in make_models(NAMES, training_steps=2, window=20, progress=False).items():
        model.fit(tokens if model.reads == "tokens" else walks).save(folder / name)
    return folder


@pytest.fixture(params=NAMES.split(","))
def damaged(request, saved, tmp_path):
    """Gives a copy of a model's folder whose files may be damaged."""
    for path in (saved / request.param).rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(saved / request.param)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    return tmp_path


def _files(folder):
    # config.json is for Hugging Face: a model makes its network from model.json
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "config.json")


def test_every_file_that_is_missing_empty_or_cut_is_said_in_one_line(damaged):
    assert load_model(damaged).is_fitted
    for path in _files(damaged):
        whole = path.read_bytes()
        for content in (None, b"", whole[: len(whole) // 2], b"\x00" * len(whole)):
            path.unlink() if content is None else path.write_bytes(content)
            with pytest.raises(RunFolderError, match=path.name) as raised:
                load_model(damaged)
            assert "\n" not in str(raised.value)
            path.write_bytes(whole)


def of_an_earlier_version(folder):
    """A saved model without checksums, which reads what is there."""
    content = json.loads((folder / "model.json").read_text())
    content = {key: value for key, value in content.items() if key not in ("sha256", "checksum")}
    (folder / "model.json").write_text(json.dumps(content))
    return content


def test_models_of_earlier_versions_are_read(damaged):
    of_an_earlier_version(damaged)
    assert load_model(damaged).is_fitted


def test_what_was_changed_by_a_digit_is_damaged(damaged):
    for path in sorted(path for path in damaged.rglob("*") if path.is_file()):
        sound = path.read_bytes()
        path.write_bytes(sound[:-2] + bytes([sound[-2] ^ 1]) + sound[-1:])
        with pytest.raises(RunFolderError, match=f"{path.name} .*cannot be read|{path.name} is damaged"):
            load_model(damaged)
        path.write_bytes(sound)


@pytest.mark.parametrize("value", [None, "x", [], -1, 1e300, 10**12, [[1]]])
def test_settings_of_another_kind_are_said_in_one_line(damaged, value):
    """Of folders without checksums; sizes that ask for gigabytes are held against the weights."""
    path, content = damaged / "model.json", of_an_earlier_version(damaged)
    places = [(content, key) for key in content] + [(content["settings"], key) for key in content["settings"]]
    for owner, key in places:
        before, owner[key] = owner[key], value
        path.write_text(json.dumps(content))
        owner[key] = before
        with contextlib.suppress(MdtokError):  # anything else is a traceback for a user
            load_model(damaged)


def test_what_is_missing_in_a_file_is_named(damaged):
    path, content = damaged / "model.json", of_an_earlier_version(damaged)
    for key in sorted(set(content) - {"class"}):
        path.write_text(json.dumps({name: value for name, value in content.items() if name != key}))
        with pytest.raises(RunFolderError, match=rf"model.json lacks '{key}'"):
            load_model(damaged)
    path.write_text("[]")
    with pytest.raises(RunFolderError, match="is no JSON object"):
        load_model(damaged)


def test_an_array_that_is_missing_is_named(saved, tmp_path):
    MarkovModel.load(saved / "msm").save(tmp_path / "model")
    of_an_earlier_version(tmp_path / "model")
    np.savez_compressed(tmp_path / "model" / "arrays.npz", counts=np.eye(2))
    with pytest.raises(RunFolderError, match=r"arrays.npz lacks 'state_histogram'"):
        load_model(tmp_path / "model")


def test_a_folder_of_another_class_is_refused(damaged):
    own = json.loads((damaged / "model.json").read_text())["class"]
    other = NanoGPT if own != "NanoGPT" else MarkovModel
    with pytest.raises(DataError, match=f"holds a {own}, not a {other.__name__}; use mdtok.load_model"):
        other.load(damaged)


def test_weights_of_another_shape_are_refused(saved, tmp_path):
    folder = tmp_path / "model"
    NanoGPT.load(saved / "nanogpt-tiny").save(folder)
    content = of_an_earlier_version(folder)
    content["settings"]["n_inner"] = 32
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(RunFolderError, match=r"model.safetensors cannot be read .*was expected") as raised:
        load_model(folder)
    assert "\n" not in str(raised.value)
