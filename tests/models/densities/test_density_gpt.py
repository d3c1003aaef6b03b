"""The density-GPT: normalised, drawn as it says, cached as not cached, and right where the answer is known."""

import numpy as np
import pytest
import torch
from scipy import stats

from mdtok.errors import DataError, MdtokError, SettingsError
from mdtok.models import load_model
from mdtok.models.catalogue import make_models
from mdtok.models.densities.density_gpt import DensityGPT
from mdtok.models.densities.torus_mixture import TorusMixture, wrap

QUICK = dict(
    n_layer=1,
    n_head=2,
    n_embd=16,
    n_inner=16,
    n_positions=8,
    n_components=3,
    dropout=0.0,
    batch_size=32,
    progress=False,
)
TRAINED = dict(QUICK, max_steps=150, evaluate_every_steps=50, warmup_steps=10, learning_rate=3e-3, seed=7)


def wrapped_walk(n_frames, seed, scale=0.3):
    """Steps of a von Mises density on the circle: the entropy of one step is the entropy rate."""
    steps = np.random.default_rng(seed).vonmises(0.0, scale**-2, size=(n_frames, 1))
    return wrap(np.cumsum(steps, axis=0))


def relaxing(n_frames, seed, memory=0.8, noise=1.0, mean=0.0):
    """AR(1), the exact steps of an Ornstein-Uhlenbeck process."""
    rng, x = np.random.default_rng(seed), np.zeros((n_frames, 1))
    for t in range(1, n_frames):
        x[t] = memory * x[t - 1] + noise * rng.standard_normal()
    return x + mean


def mixed(n_frames, seed):
    """An angle that diffuses and a real that relaxes, far from zero and of a deviation of a few hundred."""
    return np.hstack([wrapped_walk(n_frames, seed), relaxing(n_frames, seed + 1, noise=200.0, mean=5000.0)])


@pytest.fixture(scope="module")
def fitted():
    return DensityGPT(angles=[0], **QUICK, max_steps=60, evaluate_every_steps=30, seed=7).fit([mixed(1500, 1)])


@pytest.fixture(scope="module")
def walker():
    return DensityGPT(angles=[0], **TRAINED).fit([wrapped_walk(6000, 1)], [wrapped_walk(1500, 2)])


def random_mixture(is_angle, seed, n_components=4, spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    n_outputs = TorusMixture.n_outputs(n_components, len(is_angle))
    scale = torch.linspace(0.5, 0.9, len(is_angle))
    return TorusMixture(spread * torch.randn(n_outputs, generator=generator), n_components, is_angle, scale)


# ---------------------------------------------------------------------------------------------- the density


@pytest.mark.parametrize("is_angle", [[True], [False], [True, True], [True, False], [False, True]])
def test_the_density_integrates_to_one(is_angle):
    mixture = random_mixture(is_angle, seed=3, spread=0.7)
    n, ends = (100_000 if len(is_angle) == 1 else 1500), {True: np.pi, False: 45.0}
    axes = [ends[one] * ((torch.arange(n) + 0.5) / n * 2 - 1) for one in is_angle]
    grid = torch.cartesian_prod(*axes).reshape(-1, len(is_angle))
    with torch.inference_mode():
        density = torch.cat([mixture.log_prob(part).double().exp() for part in grid.split(250_000)])
    assert density.sum().item() * np.prod([2 * ends[one] / n for one in is_angle]) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("kappa", [1e-2, 1.0, 50.0, 1e5])
def test_one_component_is_the_von_mises_density_of_scipy(kappa):
    width = kappa**-0.5
    outputs = torch.tensor([0.0, 0.4 / width if width < 1 else 0.4, 0.0])
    scale = torch.tensor([width if width < 1 else 1.0])
    outputs[2] = np.log(width / float(scale[0]))
    if outputs[2] > 2:
        outputs[2] = 2.0  # the widest that there is
        kappa = np.exp(-4.0)
    place = 0.4 if width >= 1 else float(outputs[1] * scale[0])
    x = wrap(np.linspace(place - 4 * min(width, 0.7), place + 4 * min(width, 0.7), 41))
    found = TorusMixture(outputs, 1, [True], scale).log_prob(torch.from_numpy(x[:, None]).float()).numpy()
    assert found == pytest.approx(stats.vonmises.logpdf(x, kappa, loc=place), abs=2e-3, rel=1e-4)


def test_a_turn_more_changes_nothing():
    mixture = random_mixture([True, True, False], seed=5)
    x = torch.tensor([[0.3, -1.0, 0.2]])
    more = x + torch.tensor([[2 * np.pi, -2 * np.pi, 0.0]])
    assert float(mixture.log_prob(more)) == pytest.approx(float(mixture.log_prob(x)), abs=1e-4)


@pytest.mark.parametrize("is_angle", [[True, True], [True, False]])
def test_what_is_drawn_has_the_density(is_angle):
    one = random_mixture(is_angle, seed=11)
    n, n_bins = 60_000, 12
    outputs = torch.randn(
        TorusMixture.n_outputs(4, 2), generator=torch.Generator().manual_seed(11)
    )  # the same as of `one`
    drawn = TorusMixture(outputs.expand(n, -1), 4, is_angle, one.scale).sample(np.random.default_rng(7))
    drawn = np.where(is_angle, wrap(drawn), drawn)
    edges = [np.linspace(-np.pi, np.pi, n_bins + 1)] * 2  # of the real the middle is enough
    seen = np.histogram2d(*drawn.T, bins=edges)[0].ravel()
    fine = (2 * torch.arange(n_bins * 20) + 1) / (n_bins * 40) * 2 * np.pi - np.pi
    density = one.log_prob(torch.cartesian_prod(fine, fine)).double().exp().reshape(n_bins, 20, n_bins, 20)
    expected = n * density.mean(dim=(1, 3)).numpy().ravel() * (2 * np.pi / n_bins) ** 2
    counted = expected > 10
    chi2 = ((seen - expected)[counted] ** 2 / expected[counted]).sum()
    assert chi2 < counted.sum() + 5 * np.sqrt(2 * counted.sum())


# ---------------------------------------------------------------------------------------------- known processes


def test_a_walk_on_the_circle_has_its_entropy_rate(walker):
    held_out = wrapped_walk(4000, 3)
    exact = -stats.vonmises.logpdf(wrap(np.diff(held_out[:, 0])), 0.3**-2).mean()  # of these very steps
    assert exact - 0.002 < walker.nats_per_frame([held_out]) < exact + 0.03


def test_the_density_of_reals_is_in_their_own_units():
    train, held_out = relaxing(6000, 1, noise=200.0, mean=5000.0), relaxing(4000, 3, noise=200.0, mean=5000.0)
    model = DensityGPT(**TRAINED).fit([train], [relaxing(1500, 2, noise=200.0, mean=5000.0)])
    exact = -stats.norm.logpdf(held_out[1:, 0], 5000 + 0.8 * (held_out[:-1, 0] - 5000), 200.0).mean()
    assert exact - 0.002 < model.nats_per_frame([held_out]) < exact + 0.03
    chains = np.stack(model.sample([held_out[start : start + 8] for start in range(0, 4000, 200)], 300, seed=7))
    assert np.corrcoef(chains[:, :-1].ravel(), chains[:, 1:].ravel())[0, 1] == pytest.approx(0.8, abs=0.05)
    assert chains.mean() == pytest.approx(5000, abs=80) and chains.std() == pytest.approx(200 / 0.6, rel=0.1)


def test_of_a_past_that_tells_nothing_nothing_is_believed_and_memory_is_found(walker):
    assert walker.past_share_ < 1
    velocity = [np.cumsum(relaxing(3000, seed, noise=0.02, memory=0.95), axis=0) for seed in (1, 2, 3)]
    train, validation, test = map(wrap, velocity)
    model = DensityGPT(angles=[0], **TRAINED).fit([train], [validation])
    with_past = model.nats_per_frame([test])
    assert model.past_share_ > 0
    model.network_.config.past_share = 0.0
    assert with_past < model.nats_per_frame([test]) - 0.1  # the velocity is not in the frame


# ---------------------------------------------------------------------------------------------- no leaks


def test_units_are_of_the_training_frames_alone():
    train, settings = mixed(400, 1), dict(QUICK, max_steps=2)
    mine = DensityGPT(angles=[0], **settings).fit([train], [mixed(200, 2)])
    other = DensityGPT(angles=[0], **settings).fit([train], [np.array([1.0, 100.0]) * mixed(200, 2)])
    assert np.array_equal(mine.kinds_.mean, other.kinds_.mean) and np.array_equal(mine.kinds_.std, other.kinds_.std)
    assert mine.kinds_.mean[1] == pytest.approx(train[:, 1].mean()) and mine.kinds_.mean[0] == 0
    alone = DensityGPT(angles=[0], **settings).fit([train])  # the last tenth is held out
    assert alone.kinds_.mean[1] == pytest.approx(train[:360, 1].mean())


def test_no_frame_sees_what_comes_after_it(fitted):
    frames = mixed(60, 5)
    other = frames.copy()
    other[31:] = mixed(29, 6)
    before, after = fitted.log_density(frames), fitted.log_density(other)
    assert before[:30] == pytest.approx(after[:30], abs=1e-5)
    assert not np.allclose(before[30:], after[30:], atol=1e-2)


# ---------------------------------------------------------------------------------------------- rollouts


@pytest.mark.parametrize("n_prompt", [1, 5, 8])
def test_cached_rollouts_have_the_log_densities_of_the_whole(fitted, n_prompt):
    network = fitted.network_
    share, network.config.past_share = network.config.past_share, 1.0
    weights = network.correct.weight.clone()
    torch.nn.init.normal_(network.correct.weight, std=0.05)  # a past that matters
    try:
        prompts = [mixed(n_prompt, seed) for seed in range(4)]
        chains, log_densities = fitted.sample_with_log_density(prompts, 40, seed=7)
        for prompt, chain, log_density in zip(prompts, chains, log_densities):
            whole = fitted.log_density(np.concatenate([prompt, chain]))[-40:]
            assert log_density == pytest.approx(whole, abs=1e-4, rel=1e-5)  # float32 of frames near 5000
            assert log_density - whole == pytest.approx(0, abs=1e-3)
    finally:
        network.config.past_share = share
        with torch.no_grad():
            network.correct.weight.copy_(weights)


def test_the_cache_changes_no_output(fitted):
    frames = torch.from_numpy(fitted.kinds_.standardise(mixed(8, 3)))[None]
    network = fitted.network_
    cache = network.new_cache(1)
    with torch.inference_mode():
        whole = network.outputs(frames, past_share=1.0)
        parts = [network.outputs(frames[:, t : t + 1], cache, past_share=1.0) for t in range(8)]
        steps = torch.zeros(1, 8, 2)
        together, apart = (network.density(made).log_prob(steps) for made in (whole, torch.cat(parts, dim=1)))
    assert together.numpy() == pytest.approx(apart.numpy(), abs=1e-5)


def test_seeds_and_lengths(fitted):
    prompts = [mixed(3, 1), mixed(8, 2), mixed(20, 3)]
    first, again, other = (fitted.sample(prompts, 30, seed=seed) for seed in (7, 7, 8))
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert not np.array_equal(first[0], other[0])
    assert all(chain.shape == (30, 2) and np.abs(chain[:, 0]).max() <= np.pi for chain in first)


def test_saved_and_loaded(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    frames = mixed(50, 9)
    assert np.array_equal(loaded.log_density(frames), fitted.log_density(frames))
    assert np.array_equal(*(one.sample([frames[:5]], 20, seed=7)[0] for one in (loaded, fitted)))
    assert loaded.settings == fitted.settings and loaded.past_share_ == fitted.past_share_
    assert loaded.n_parameters == fitted.n_parameters


def test_the_same_seed_gives_the_same_weights():
    frames, settings = mixed(300, 1), dict(QUICK, max_steps=4, angles=[0], seed=5)
    one, other = (DensityGPT(**settings).fit([frames]).log_density(frames) for _ in range(2))
    assert np.array_equal(one, other)


def test_an_angle_as_cosine_and_sine_is_the_same_angle():
    frames = mixed(400, 1)
    encoded = np.column_stack([np.cos(frames[:, 0]), np.sin(frames[:, 0]), frames[:, 1]])
    settings = dict(QUICK, max_steps=4, seed=5)
    mine, in_run = DensityGPT(angles=[0], **settings).fit([frames]), DensityGPT(**settings)
    in_run.circles = (0,)
    in_run.fit([encoded])
    assert in_run.log_density(encoded) == pytest.approx(mine.log_density(frames), abs=1e-3)
    (chain,) = in_run.sample([encoded[:5]], 20, seed=7)
    assert chain.shape == (20, 3) and np.hypot(chain[:, 0], chain[:, 1]) == pytest.approx(1)


def test_reversed_trajectories_teach_detailed_balance():
    """A wheel that only turns one way: forwards is likely, and backwards as likely only where both were learnt."""
    wheel = wrap(0.5 * np.arange(3000)[:, None] + np.random.default_rng(1).normal(scale=0.1, size=(3000, 1)))
    settings = dict(TRAINED, max_steps=60, angles=[0])
    plain, both = (DensityGPT(**settings, reversible=one).fit([wheel]) for one in (False, True))
    ahead, back = wheel[:300], wheel[:300][::-1]
    assert plain.nats_per_frame([back]) > plain.nats_per_frame([ahead]) + 1
    assert both.nats_per_frame([back]) == pytest.approx(both.nats_per_frame([ahead]), abs=0.1)


def test_names_of_scripts():
    models = make_models("density-gpt,density-gpt-tiny-reversible", seed=3, training_steps=9, window=20)
    assert [model.reversible for model in models.values()] == [False, True]
    assert {(model.network.n_positions, model.training.max_steps) for model in models.values()} == {(20, 9)}


def test_thirty_columns():
    frames = np.hstack([wrapped_walk(300, seed) for seed in range(15)] + [relaxing(300, seed) for seed in range(15)])
    model = DensityGPT(angles=range(15), **QUICK, max_steps=2).fit([frames])
    assert model.log_density(frames).shape == (299,) and model.sample([frames[:4]], 5, seed=1)[0].shape == (5, 30)


# ---------------------------------------------------------------------------------------------- bad input


def with_hole(frames):
    frames = frames.copy()
    frames[3, 0] = np.nan
    return frames


@pytest.mark.parametrize(
    "frames, angles, said",
    [
        (mixed(300, 1), [], "Column 0 is said to be a real, and jumps"),
        (np.degrees(wrapped_walk(300, 1)), [], "an angle in degrees does"),
        (mixed(300, 1), [0, 1], "Column 1 is said to be an angle and has the value"),
        (mixed(300, 1), [2], "different columns of 0 to 1 were expected"),
        (mixed(300, 1), [0, 0], "different columns of 0 to 1 were expected"),
        (np.hstack([mixed(300, 1), np.ones((300, 1))]), [0], "Column 2 is the same in every frame"),
        (with_hole(mixed(300, 1)), [0], "frames that are not numbers"),
        (mixed(1, 1), [0], "at least 2 were expected"),
        (mixed(9, 1), [0], "too short for early stopping"),
    ],
)
def test_bad_features_are_one_line_before_any_training(frames, angles, said):
    with pytest.raises(MdtokError, match=said) as caught:
        DensityGPT(angles=angles, **QUICK, max_steps=10**9).fit([frames])
    assert "\n" not in str(caught.value)


def test_other_columns_than_it_was_fitted_to(fitted):
    with pytest.raises(DataError, match="3 coordinates a frame; 2 were expected"):
        fitted.log_density(np.ones((9, 3)))
    with pytest.raises(DataError, match="Trajectory 1 has 1 coordinates"):
        DensityGPT(**QUICK, max_steps=2).fit([np.ones((9, 2)), np.ones((9, 1))])
    with pytest.raises(DataError, match="not fitted"):
        DensityGPT(**QUICK).log_density(np.ones((9, 3)))


@pytest.mark.parametrize(
    "settings",
    [
        dict(n_components=0),
        dict(stratify=2),
        dict(max_steps=None),
        dict(window_shift=99),
        dict(n_heads=2),
        dict(angles=["phi"]),
    ],
)
def test_bad_settings(settings):
    with pytest.raises(SettingsError):
        DensityGPT(**{**QUICK, **settings})
