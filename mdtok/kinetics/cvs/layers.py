"""Stacks of torch layers as plain values, so that a network is saved without code and without pickle."""

from __future__ import annotations

from math import prod

import numpy as np
import torch

from mdtok.errors import DataError

#: Layers by name, and what makes each: an attribute of the layer that is an argument of its class.
_LAYERS: dict[str, tuple[str, ...]] = {
    "Linear": ("in_features", "out_features", "bias"),
    "LayerNorm": ("normalized_shape", "eps", "elementwise_affine", "bias"),
    "BatchNorm1d": ("num_features", "eps", "momentum", "affine", "track_running_stats"),
    "Dropout": ("p",),
    **dict.fromkeys(("Tanh", "Sigmoid", "ReLU", "SiLU", "Softsign", "Identity"), ()),
    "GELU": ("approximate",),
    "ELU": ("alpha",),
    "LeakyReLU": ("negative_slope",),
    "Softplus": ("beta", "threshold"),
}


def layers_of(network: torch.nn.Module) -> list | None:
    """What each layer of a ``torch.nn.Sequential`` is; None where something in it is not known.

    Examples
    --------
    >>> layers_of(torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Tanh()))
    [{'layer': 'Linear', 'in_features': 2, 'out_features': 1, 'bias': True}, {'layer': 'Tanh'}]
    """
    if type(network) is not torch.nn.Sequential:
        return None
    layers = [layers_of(one) if type(one) is torch.nn.Sequential else _layer(one) for one in network]
    return None if None in layers else layers


def _layer(module):
    name = type(module).__name__
    if name not in _LAYERS or type(module) is not getattr(torch.nn, name):
        return None
    said = {key: getattr(module, key) for key in _LAYERS[name]}
    if "bias" in said:
        said["bias"] = said["bias"] is not None
    return {"layer": name, **said}


def network_of(layers: list, weights: dict, path) -> torch.nn.Module:
    """The network that `layers_of` described, with its weights; `path` is the file that says so.

    Raises
    ------
    DataError
        A layer is not known, or the weights are those of another network.
    """
    with torch.device("meta"):  # no memory is taken before shapes are held against those of the weights
        network = _stack(layers, path)
    return filled(network, weights, path)


def _stack(layers, path):
    made = []
    for layer in layers:
        if isinstance(layer, list):
            made.append(_stack(layer, path))
            continue
        said = dict(layer)
        name = said.pop("layer")
        if name not in _LAYERS:
            raise DataError(f"{path} names the layer {name!r}; one of {', '.join(_LAYERS)} was expected.")
        made.append(getattr(torch.nn, name)(**said))
    return torch.nn.Sequential(*made)


def filled(network: torch.nn.Module, weights: dict, path) -> torch.nn.Module:
    """`network` with the saved weights, after a look at their shapes."""
    wanted = {name: tuple(array.shape) for name, array in network.state_dict().items()}
    arrays = {name: np.array(one["values"], dtype=one["type"]) for name, one in weights.items()}
    arrays = {
        name: array.reshape(wanted[name]) if array.size == prod(wanted.get(name, (-1,))) else array
        for name, array in arrays.items()
    }
    other = sorted(name for name in {*wanted, *arrays} if name not in arrays or arrays[name].shape != wanted.get(name))
    if other:
        raise DataError(f"{path} has no weights that fit {other[0]} of the network; pass a network of the same class.")
    network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()}, assign=True)
    return network
