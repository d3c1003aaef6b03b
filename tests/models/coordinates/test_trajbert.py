"""TrajBert: published sizes, what a frame can see, densities, learning, generation, save and load, bad input."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mdtok.errors import DataError, MdtokError, SettingsError
from mdtok.models import TrajBert
from mdtok.models.coordinates.mixture_density import MixtureDensity
from mdtok.models.coordinates.pieces import NO_LABEL, cut_in_pieces
from mdtok.models.coordinates.trajbert import PRESETS
from mdtok.models.coordinates.trajbert_generation import BlockCache
from mdtok.models.coordinates.trajbert_network import TrajBertConfig, TrajBertNetwork

PUBLISHED = {  # projection, embeddings, encoder, each head, all; Leban, table of parameters
    "small": ("48", "16.4K", "21.6K", "338", "38.7K"),
    "medium": ("192", "65.7K", "399.9K", "4.4K", "474K"),
    "large": ("360", "123K", "2.18M", "15.0K", "2.3M"),
}
TINY = dict(hidden_size=16, n_layer=2, n_head=2, intermediate_size=32, progress=False, batch_size=8, warmup_steps=5)
DECAY, NOISE = np.array([0.9, 0.7]), np.array([0.3, 0.5])


def autoregression(n_trajectories, n_frames, seed, start=0.0):
    """x(t+1) = DECAY x(t) + NOISE n, two independent coordinates."""
    rng = np.random.default_rng(seed)
    x = np.empty((n_trajectories, n_frames, 2))
    x[:, 0] = start
    for t in range(1, n_frames):
        x[:, t] = DECAY * x[:, t - 1] + NOISE * rng.standard_normal((n_trajectories, 2))
    return list(x)


def untrained(variant="causal", seed=0, **overrides):
    """A model with random weights large enough for every frame to matter."""
    model = TrajBert(**{**TINY, "variant": variant, "window": 10, "n_positions": 64, **overrides})
    config = model._config(n_dim=2, n_classes=2)
    config.initializer_range = 0.4
    torch.manual_seed(seed)
    model.network_ = TrajBertNetwork(config).eval()
    model.n_dim_, model.n_classes_, model.n_trained_positions_ = 2, 2, 40
    model.mean_, model.std_ = np.zeros(2), np.ones(2)
    model.history_ = [{"step": 0, "train_loss": 0.0, "validation_loss": 0.0, "seconds": 0.0}]
    return model


@pytest.fixture(scope="module")
def trained():
    """A causal model of the autoregression; the class is the sign of the start."""
    labels = np.arange(1000) % 2
    walks = autoregression(1000, 60, seed=1, start=2.0 * (2 * labels[:, None] - 1))
    model = TrajBert(
        **{**TINY, "window": 20, "max_steps": 500, "evaluate_every_steps": 100, "learning_rate": 5e-3, "seed": 3}
    )
    return model.fit(walks, labels=labels)


@pytest.mark.parametrize("size", PRESETS)
def test_parameter_counts_are_those_published(size):
    network = TrajBertNetwork(TrajBertConfig(**PRESETS[size]))

    def count(*modules):
        return sum(parameter.numel() for module in modules for parameter in module.parameters())

    parts = (
        count(network.projection),
        count(network.positions, network.norm),
        count(network.encoder),
        count(network.frame_head),
        count(network),
    )
    assert count(network.frame_head) == count(network.class_head)
    for seen, text in zip(parts, PUBLISHED[size]):
        unit = {"K": 1e3, "M": 1e6}.get(text[-1], 1)
        digits = len(text.partition(".")[2].rstrip("KM"))
        assert abs(seen / unit - float(text.rstrip("KM"))) <= 0.5 * 10.0**-digits + 0.5 * (text == "474K"), (seen, text)


def outputs(model, frames):
    with torch.inference_mode():
        return model.network_(torch.from_numpy(frames[None].astype(np.float32))).next_frame[0].numpy()


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 29), st.integers(0, 5))
def test_the_causal_model_cannot_see_the_future(changed, seed):
    model, frames = untrained(), np.random.default_rng(seed).standard_normal((30, 2))
    other = frames.copy()
    other[changed:] += 1.0
    before, after = outputs(model, frames), outputs(model, other)
    assert np.array_equal(before[:changed], after[:changed])
    assert not np.allclose(before[changed], after[changed])


def test_the_faithful_model_sees_the_future():
    model, frames = untrained("faithful"), np.random.default_rng(0).standard_normal((30, 2))
    other = frames.copy()
    other[20:] += 1.0
    assert (np.abs(outputs(model, frames)[:20] - outputs(model, other)[:20]).max(axis=1) > 1e-4).all()


def test_a_faithful_standardisation_uses_the_future_and_a_causal_one_does_not():
    frames = np.random.default_rng(0).standard_normal((30, 2))
    moved = 3 * frames + [5, -2]
    faithful, causal = untrained("faithful"), untrained()
    assert np.allclose(faithful.predict_proba([frames]), faithful.predict_proba([moved]), atol=1e-5)
    assert not np.allclose(causal.predict_proba([frames]), causal.predict_proba([moved]), atol=1e-3)


def test_attention_maps_stay_within_the_past_of_the_block():
    frames = np.random.default_rng(0).standard_normal((25, 2))
    maps = untrained().attentions(frames)
    assert maps.shape == (2, 2, 25, 25)
    assert np.allclose(maps.sum(axis=-1), 1, atol=1e-5)
    query, key = np.indices((25, 25))
    allowed = (key <= query) & (key // 10 == query // 10)
    assert (maps[..., ~allowed] == 0).all() and (maps[..., allowed] > 0).all()
    assert (untrained("faithful").attentions(frames) > 0).all()


def test_cached_steps_are_the_steps_of_the_whole_block():
    model = untrained()
    frames = torch.randn(3, 10, 2, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole = model.network_.embed(frames, 20)
        cache, parts = BlockCache(model.network_.config, 3, "cpu", torch.float32), []
        for start, end in ((0, 4), (4, 5), (5, 6), (6, 7), (7, 8), (8, 9), (9, 10)):
            parts.append(model.network_.embed_next(frames[:, start:end], 20 + start, cache))
            cache.length = end
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-5)


def test_a_density_integrates_to_one_and_samples_have_its_moments():
    generator = torch.Generator().manual_seed(0)
    outputs, scale = 0.4 * torch.randn(MixtureDensity.n_outputs(3, 2), generator=generator), torch.tensor([0.5, 2.0])
    density = MixtureDensity(outputs, 3, 2, scale)
    axis = torch.linspace(-15, 15, 1501)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)
    probability = density.log_prob(grid).exp() * (axis[1] - axis[0]) ** 2
    assert float(probability.sum()) == pytest.approx(1, abs=1e-3)
    mean = (probability[..., None] * grid).sum(dim=(0, 1))
    assert torch.allclose(mean, density.mean(), atol=0.01)
    n = 40_000
    many = MixtureDensity(outputs.expand(n, -1), 3, 2, scale)
    drawn = many.sample(torch.rand(n, generator=generator), torch.randn(n, 2, generator=generator))
    spread = (probability[..., None] * (grid - mean).square()).sum(dim=(0, 1)).sqrt()
    assert (abs(drawn.mean(dim=0) - mean) < 4 * spread / n**0.5).all()  # 1 in 8,000 by chance, seeded
    assert torch.allclose(drawn.std(dim=0), spread, rtol=0.1)


def test_a_causal_model_learns_the_density_of_a_known_process(trained):
    fresh = autoregression(20, 200, seed=8, start=0.5)
    exact = -0.5 * np.log(2 * np.pi * np.e * NOISE**2).sum()  # nats of the process itself, a frame
    learnt = np.mean([trained.log_density(x).mean() for x in fresh])
    assert exact - 0.1 < learnt < exact + 0.03  # the sample's own deviation is 0.016
    x = fresh[0]
    assert trained.log_density(x).shape == (199,)
    assert np.abs(trained.predict_next(x) - DECAY * x[:-1]).mean() < 0.12


def test_it_learns_classes_from_the_start(trained):
    labels = np.arange(40) % 2
    fresh = autoregression(40, 60, seed=5, start=2.0 * (2 * labels[:, None] - 1))
    assert np.mean(trained.predict(fresh) == labels) > 0.9
    assert np.allclose(trained.predict_proba(fresh).sum(axis=1), 1)
    assert trained.class_logits(trained.transform(fresh[:1])[0]).shape == (60, 2)


def test_samples_have_the_kinetics_of_the_process(trained):
    chains = trained.sample([x[:30] for x in autoregression(64, 30, seed=4)], 400, seed=6)
    tail = np.stack(chains)[:, 50:]
    decay = (tail[:, 1:] * tail[:, :-1]).mean(axis=(0, 1)) / (tail**2).mean(axis=(0, 1))
    assert np.allclose(decay, DECAY, atol=0.05)
    assert np.allclose(tail.std(axis=(0, 1)), NOISE / np.sqrt(1 - DECAY**2), rtol=0.15)


def test_a_forecast_is_the_mean_of_its_ensemble(trained):
    prompts = autoregression(3, 40, seed=2)
    ensemble = trained.forecast_ensemble(prompts, 5, seed=1)
    assert ensemble.shape == (3, trained.settings["n_forecast_samples"], 5, 2)
    assert np.allclose(trained.forecast(prompts, 5, seed=1), ensemble.mean(axis=1))
    assert not np.allclose(ensemble, trained.forecast_ensemble(prompts, 5, seed=2))


@pytest.mark.parametrize("n_frames", [2, 9, 10, 11, 12, 15, 16, 40, 41])
def test_log_density_has_one_number_a_frame_and_ignores_the_future(n_frames):
    model, frames = untrained(), np.random.default_rng(0).standard_normal((41, 2))
    said = model.log_density(frames[:n_frames])
    assert said.shape == (n_frames - 1,)
    if n_frames > 2:
        other = frames[:n_frames].copy()
        other[-1] += 1
        assert np.allclose(model.log_density(other)[:-1], said[:-1], atol=1e-5)


def test_the_faithful_model_continues_by_one_or_by_many_frames():
    model, prompts = untrained("faithful"), [np.random.default_rng(k).standard_normal((15, 2)) for k in range(3)]
    one, many = (np.stack(model.sample(prompts, 7, seed=0, n_at_once=n)) for n in (1, 4))
    assert one.shape == many.shape == (3, 7, 2)
    assert np.array_equal(one, model.forecast(prompts, 7))
    assert not np.allclose(one, many)
    with pytest.raises(DataError, match="no density"):
        model.log_density(prompts[0])


def test_saved_models_are_the_same(trained, tmp_path):
    x = autoregression(1, 90, seed=9)[0]
    trained.save_pretrained(tmp_path)
    again = TrajBert.from_pretrained(tmp_path)
    assert np.array_equal(again.log_density(x), trained.log_density(x))
    assert np.array_equal(again.sample([x[:10]], 30, seed=1)[0], trained.sample([x[:10]], 30, seed=1)[0])
    assert again.settings == trained.settings and again.n_parameters == trained.n_parameters


def test_training_goes_on_from_its_checkpoint_to_the_same_weights(tmp_path):
    walks, settings_ = autoregression(12, 20, seed=1), {**TINY, "window": 10, "evaluate_every_steps": 4}
    whole = TrajBert(**settings_, max_steps=8).fit(walks, checkpoint_folder=tmp_path / "a")
    again = TrajBert(**settings_, max_steps=8).fit(walks, checkpoint_folder=tmp_path / "a")
    for name, weight in whole.network_.state_dict().items():
        assert torch.equal(weight, again.network_.state_dict()[name])


def test_unlabelled_trajectories_are_cut_and_teach_no_class():
    labelled, long = autoregression(6, 20, seed=1), autoregression(2, 50, seed=2)
    labels = [0, 1, 0, 1, 0, 1, NO_LABEL, NO_LABEL]
    model = TrajBert(**TINY, window=10, max_steps=2, evaluate_every_steps=1)
    model.fit([*labelled, *long], labels=labels, validation=labelled[:2], validation_labels=[0, 1])
    assert model.n_classes_ == 2 and model.n_trained_positions_ == 20
    assert cut_in_pieces(long[0], 20).shape == (3, 20, 2)
    assert np.array_equal(cut_in_pieces(long[0], 20)[-1], long[0][30:])
    unlabelled = TrajBert(**TINY, window=10, max_steps=2, evaluate_every_steps=1).fit(long)
    with pytest.raises(DataError, match="without labels"):
        unlabelled.predict_proba(long)


def test_the_same_seed_gives_the_same_model():
    walks = autoregression(10, 20, seed=1)
    first, second, other = (
        TrajBert(**TINY, window=10, max_steps=3, evaluate_every_steps=3, seed=seed).fit(walks) for seed in (1, 1, 2)
    )
    assert np.array_equal(first.log_density(walks[0]), second.log_density(walks[0]))
    assert not np.array_equal(first.log_density(walks[0]), other.log_density(walks[0]))


WALKS = autoregression(6, 20, seed=1)
BROKEN = [x.copy() for x in WALKS]
BROKEN[2][7, 1] = np.nan


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TrajBert(window=2000), "window of 2000 frames is longer than the position table"),
        (lambda: TrajBert(variant="faithful", window=1025), "longer than the position table"),
        (lambda: TrajBert(variant="both"), "variant"),
        (lambda: TrajBert(hidden_size=10, n_head=4), "multiple"),
        (lambda: TrajBert(n_components=0), "one Gaussian"),
        (lambda: TrajBert(lambda_=0.0, gamma=0.0), "not both 0"),
        (lambda: TrajBert.from_preset("huge"), "no preset 'huge'"),
        (lambda: TrajBert.from_preset("small", widnow=3), "no setting 'widnow'"),
        (lambda: TrajBertConfig(hiden_size=3), "no setting 'hiden_size'"),
        (lambda: TrajBert(**TINY).fit([WALKS[0], WALKS[1][:, :1]]), "1 coordinates a frame; 2 were expected"),
        (lambda: TrajBert(**TINY).fit(BROKEN), "Trajectory 2 has 1 frames that are not numbers, the first is frame 7"),
        (lambda: TrajBert(**TINY).fit(WALKS, labels=[0, 2, 0, 2, 0, 2]), "class 1 has no trajectory"),
        (lambda: TrajBert(**TINY).fit(WALKS, labels=[0] * 6), "class 1 has no trajectory"),
        (lambda: TrajBert(**TINY).fit(WALKS, labels=[0, 1]), "2 labels were given for 6"),
        (lambda: TrajBert(**TINY).fit([*WALKS, WALKS[0][:9]], labels=[0, 1] * 3 + [1]), "one length was expected"),
        (lambda: TrajBert(**TINY, n_positions=16, window=8).fit(WALKS, labels=[0, 1] * 3), "position table 16"),
        (lambda: TrajBert(**TINY).fit([WALKS[0] * [1, 0]] * 3), "Coordinate 1 is the same in every frame"),
        (lambda: TrajBert().predict_proba(WALKS), "not fitted"),
        (lambda: untrained().predict_proba([np.zeros((65, 2))]), "65 frames, the position table 64"),
        (lambda: untrained().sample(WALKS, 5, 0, n_at_once=2), "n_at_once"),
        (lambda: untrained().sample(WALKS, 0, 0), "n_steps"),
    ],
)
def test_bad_input_is_one_clear_line(make, message):
    with pytest.raises(MdtokError, match=message) as error:
        make()
    assert "\n" not in str(error.value)
    assert isinstance(error.value, (SettingsError, DataError))


@pytest.mark.parametrize("variant", ["causal", "faithful"])
def test_drawn_angles_stay_on_their_circle(variant, tmp_path):
    rng = np.random.default_rng(3)
    angles = [np.cumsum(0.3 * rng.normal(size=60)) for _ in range(6)]
    walks = [np.column_stack([rng.normal(size=60), np.cos(angle), np.sin(angle)]) for angle in angles]
    model = TrajBert.from_preset("small", variant=variant, window=20, max_steps=3, batch_size=2, progress=False)
    model.circles = (1,)
    model.fit(walks).save(tmp_path / "model")
    for made in (model.sample(walks[:2], 30, 5), TrajBert.load(tmp_path / "model").sample(walks[:2], 30, 5)):
        for chain in made:
            np.testing.assert_allclose(np.hypot(chain[:, 1], chain[:, 2]), 1, atol=1e-5)
