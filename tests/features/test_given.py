"""What a user gives as features, tokens or coordinates is taken for what it is, or refused by its name."""

import mdtraj
import numpy as np
import pytest
import torch

from mdtok.errors import DataError
from mdtok.features.arrays import as_features
from mdtok.kinetics.judging.samples import as_sample
from mdtok.models.trajectory_model import as_trajectories
from mdtok.tokens.dtrajs import as_dtrajs

ROWS = np.random.default_rng(0).random((99, 2))
TOKENS = np.random.default_rng(0).integers(0, 3, 99)


class Table:
    """What mdtok sees of a DataFrame: pandas is no dependency, and iterating over one gives its names."""

    def __init__(self, **columns):
        self._columns = columns
        self.columns = list(columns)

    def __iter__(self):
        return iter(self.columns)

    def __len__(self):
        return len(next(iter(self._columns.values())))

    def to_numpy(self):
        return np.column_stack(list(self._columns.values()))


def test_a_tensor_is_one_trajectory_of_features():
    for tensor in (torch.tensor(ROWS), torch.tensor(ROWS, requires_grad=True)):
        (array,) = as_features(tensor)
        np.testing.assert_array_equal(array, ROWS)
        np.testing.assert_array_equal(as_trajectories(tensor)[0], ROWS)
    assert [array.shape for array in as_features([torch.tensor(ROWS)] * 2)] == [(99, 2)] * 2
    assert as_features(torch.tensor(ROWS, dtype=torch.bfloat16))[0].shape == (99, 2)


def test_a_tensor_of_tokens_is_one_trajectory():
    (dtraj,) = as_dtrajs(torch.tensor(TOKENS))
    np.testing.assert_array_equal(dtraj, TOKENS)
    assert len(as_dtrajs(torch.tensor(TOKENS).reshape(3, 33))) == 3


def test_a_table_is_its_numbers():
    table = Table(phi=ROWS[:, 0], psi=ROWS[:, 1])
    np.testing.assert_array_equal(as_features(table)[0], ROWS)
    np.testing.assert_array_equal(as_trajectories(table)[0], ROWS)
    np.testing.assert_array_equal(as_features([table, table])[1], ROWS)
    np.testing.assert_array_equal(as_dtrajs(Table(state=TOKENS))[0], TOKENS)


@pytest.mark.parametrize("column", ["time", "metad.bias", "opes.rct"])
def test_times_and_bias_of_a_table_are_no_features(column):
    with pytest.raises(DataError, match=rf"the columns {column}, .* give table\[\['phi'\]\]"):
        as_features(Table(phi=ROWS[:, 0], **{column: ROWS[:, 1]}))


def test_a_table_of_two_columns_is_no_tokens():
    with pytest.raises(DataError, match="a table of 2 columns"):
        as_dtrajs(Table(state=TOKENS, macro=TOKENS))


def test_a_tensor_is_a_sample_to_be_judged():
    sample = as_sample(torch.tensor(ROWS), "mine", featurizer=None, dt_ps=1.0)
    assert [array.shape for array in sample.arrays] == [(99, 2)]


@pytest.mark.parametrize("take", [as_features, as_dtrajs, as_trajectories])
@pytest.mark.parametrize("given, said", [("phi.npy", "a str"), ({"a": ROWS}, "a dict"), (None, "None")])
def test_what_is_no_array_is_refused_by_name(take, given, said):
    with pytest.raises(DataError, match=said):
        take(given)


def test_coordinates_are_no_features():
    topology = mdtraj.Topology()
    topology.add_atom("CA", mdtraj.element.carbon, topology.add_residue("ARG", topology.add_chain()))
    traj = mdtraj.Trajectory(np.zeros((5, 1, 3)), topology)
    for take in (as_features, as_dtrajs, as_trajectories):
        for given in (traj, [traj]):
            with pytest.raises(DataError, match=r"a Trajectory of mdtraj holds coordinates; .* Featurizer"):
                take(given)
