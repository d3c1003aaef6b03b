"""What a run keeps: features of every frame, tokens of them, how both are split, and trajectories with a class each."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mdtok.features import encode_periodic
from mdtok.features.arrays import decode_periodic
from mdtok.storage import damage_in_one_line, load_arrays, read_json, read_npy, save_arrays, whole, write_json
from mdtok.tokens import cut_outside

PARTS = ("train", "validation", "test")


@dataclass
class TokenisedData:
    """Tokens of all trajectories, how they are split, and what they stand for.

    Attributes
    ----------
    dtrajs : list of int arrays
    split : dict of str -> list of int
        Indices of the ``train``, ``validation`` and ``test`` trajectories.
    dt_ps : float
        Between tokens.
    macrostates : int array, shape (n_states,)
    macrostate_names : list of str
    columns : list of int, optional
        Columns of the features that the tokenizer reads; all of them if not given.
    angles : {"circle", "sine"}
        Whether it reads cosine and sine of the periodic ones, or their sine only.
    coarse : bool
        Whether the tokens are the macrostates of the tokenizer.
    left_out : float
        Share of the frames given that are in no token.
    remarks : list of str
        What a reader of the results has to know of the data.
    """

    dtrajs: list
    split: dict
    dt_ps: float
    macrostates: np.ndarray
    macrostate_names: list
    columns: list | None = None
    angles: str = "circle"
    coarse: bool = False
    left_out: float = 0.0
    remarks: list = field(default_factory=list)

    def part(self, name: str) -> list:
        """The trajectories of one part of the split."""
        return [self.dtrajs[index] for index in self.split[name]]

    def save(self, folder: Path) -> None:
        """Write ``NNN.npy`` and ``tokens.json`` to `folder`."""
        for index, dtraj in enumerate(self.dtrajs):
            np.save(folder / f"{index:03d}.npy", dtraj, allow_pickle=False)
        write_json(folder / "tokens.json", {key: value for key, value in vars(self).items() if key != "dtrajs"})

    @classmethod
    @damage_in_one_line
    def load(cls, folder: Path) -> "TokenisedData":
        """Read what `save` wrote."""
        content = read_json(folder / "tokens.json")
        content["macrostates"] = np.array(content["macrostates"], dtype=np.int64)
        return cls(dtrajs=load_arrays(folder), **content)

    def read_by_tokenizer(self, features: list, periodic: np.ndarray) -> list:
        """Features of some trajectories, one frame a token, as the tokenizer reads them."""
        return tokenizer_input(features, periodic, self.columns, self.angles)

    def tokens_of(self, features: list, periodic: np.ndarray, tokenizer, min_length: int = 1) -> list:
        """Tokens of features, one frame a token; frames outside of all connected states are cut out."""
        dtrajs = tokenizer.transform(self.read_by_tokenizer(features, periodic))
        pieces = cut_outside(dtrajs, min_length=min_length)[1]
        return tokenizer.to_macrostates(pieces) if self.coarse else pieces


def tokenizer_input(arrays: list, periodic: np.ndarray, columns: list | None, angles: str) -> list:
    """The chosen columns; periodic ones on the circle (cosine and sine), or their sine alone."""
    periodic = np.asarray(periodic, dtype=bool)
    if columns is not None:
        arrays, periodic = [array[:, columns] for array in arrays], periodic[columns]
    if not periodic.any():
        return list(arrays)
    if angles == "sine":
        return [np.where(periodic, np.sin(array), array) for array in arrays]
    return encode_periodic(arrays, periodic)


@dataclass
class FeatureData:
    """Features of all trajectories, which models of coordinates learn from.

    Attributes
    ----------
    arrays : list of float arrays, shape (n_frames, n_columns) each
    names : list of str
    periodic : bool array, shape (n_columns,)
        Which columns are angles in radians.
    split : dict of str -> list of int
        Indices of the ``train``, ``validation`` and ``test`` trajectories.
    frame_ps : float
        Between frames.
    frames_per_token : int
        Each so many-th frame is a token.
    """

    arrays: list
    names: list
    periodic: np.ndarray
    split: dict
    frame_ps: float
    frames_per_token: int = 1

    def part(self, name: str) -> list:
        """The trajectories of one part of the split, in double precision."""
        return [self.arrays[index].astype(float) for index in self.split[name]]

    def read_by_models(self, name: str) -> list:
        """The trajectories of one part, angles as cosine and sine: what a model of coordinates learns from."""
        return self.encode(self.part(name))

    def encode(self, arrays: list) -> list:
        """Angles as cosine and sine; other columns stay."""
        return encode_periodic(arrays, self.periodic) if self.periodic.any() else list(arrays)

    @property
    def circles(self) -> tuple[int, ...]:
        """First of the two columns that each angle has when encoded."""
        first = np.cumsum([0, *np.where(self.periodic, 2, 1)])[:-1]
        return tuple(int(column) for column in first[self.periodic])

    def decode(self, arrays: list) -> list:
        """What a model of coordinates generated, as features: angles in radians again."""
        return decode_periodic(arrays, self.periodic) if self.periodic.any() else list(arrays)

    def thin(self, arrays: list) -> list:
        """The frames that become tokens."""
        return [array[self.frames_per_token - 1 :: self.frames_per_token] for array in arrays]

    def save(self, folder: Path) -> None:
        """Write ``NNN.npy`` and ``columns.json`` to `folder`, which appears whole or not at all."""
        with whole(folder) as partial:
            save_arrays(partial, self.arrays)
            write_json(partial / "columns.json", {key: value for key, value in vars(self).items() if key != "arrays"})

    @classmethod
    @damage_in_one_line
    def load(cls, folder: Path, tokens: TokenisedData) -> "FeatureData":
        """Read what `save` wrote; earlier runs kept names and angles only, of one frame a token."""
        content = {"split": tokens.split, "frame_ps": tokens.dt_ps, **read_json(folder / "columns.json")}
        content["periodic"] = np.array(content["periodic"], dtype=bool)
        return cls(arrays=load_arrays(folder, mapped=True), **content)


@dataclass
class LabelledData:
    """Trajectories with a class each: what a classifier learns from.

    Attributes
    ----------
    arrays : list of float arrays, shape (n_frames, n_columns) each
        All of one length.
    labels : int array, shape (n_trajectories,)
        0 to n - 1, negative for those without a class.
    split : dict of str -> list of int
        Indices of the ``train``, ``validation`` and ``test`` trajectories.
    names : list of str
        Of the classes, where they have names.
    origins : list of tuple of int
        Of pieces that were cut from the trajectories of features: which one, and its first frame there; empty where
        they were simulated by themselves.
    """

    arrays: list
    labels: np.ndarray
    split: dict = field(default_factory=dict)
    names: list = field(default_factory=list)
    origins: list = field(default_factory=list)

    def part(self, name: str) -> list:
        """The trajectories of one part of the split."""
        return [self.arrays[index] for index in self.split[name]]

    def labels_of(self, name: str) -> np.ndarray:
        """Their classes."""
        return self.labels[self.split[name]]

    def save(self, folder: Path) -> None:
        """Write ``trajectories.npy``, ``labels.npy`` and ``split.json`` to `folder`, which appears whole or not at
        all."""
        with whole(folder) as partial:
            partial.mkdir()
            np.save(partial / "trajectories.npy", np.stack(self.arrays), allow_pickle=False)
            np.save(partial / "labels.npy", self.labels, allow_pickle=False)
            write_json(partial / "split.json", self.split)

    @classmethod
    @damage_in_one_line
    def load(cls, folder: Path) -> "LabelledData":
        """Read what `save` wrote."""
        arrays = read_npy(folder / "trajectories.npy").astype(float)
        return cls(list(arrays), read_npy(folder / "labels.npy"), read_json(folder / "split.json"))
