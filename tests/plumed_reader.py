"""A reader of the few PLUMED actions that we write, strict about their words, with numbers from numpy alone."""

import re

import numpy as np

KEYS = {
    "TORSION": {"ATOMS"},
    "DISTANCE": {"ATOMS"},
    "CUSTOM": {"ARG", "FUNC", "PERIODIC"},
    "COMBINE": {"ARG", "COEFFICIENTS", "PARAMETERS", "PERIODIC"},
    "PYTORCH_MODEL": {"FILE", "ARG"},
}


def actions(text):
    """Iterate over (label, action, keywords, flags), lines with ``...`` put together."""
    lines, open_line = [], None
    for line in (re.sub(r"#.*", "", raw).split() for raw in text.splitlines()):
        if open_line is None and line and line[-1] == "...":
            open_line = line[:-1]
        elif open_line is not None and line == ["..."]:
            lines.append(open_line)
            open_line = None
        elif open_line is not None:
            open_line += line
        elif line:
            lines.append(line)
    assert open_line is None
    for words in lines:
        label = words.pop(0)[:-1] if words[0].endswith(":") else None
        said = dict(word.split("=", 1) for word in words[1:] if "=" in word)
        yield label, words[0], said, {word for word in words[1:] if "=" not in word}


def values(text, xyz, box_nm=None):
    """Every labelled number of a frame, dict; `xyz` of whole molecules, shape (n_atoms, 3)."""
    known, xyz = {}, np.asarray(xyz, dtype=float)
    for label, action, said, flags in actions(text):
        if action == "WHOLEMOLECULES":
            continue
        assert label not in known and set(said) == KEYS[action] and flags <= {"NOPBC"}
        assert said.get("PERIODIC", "NO") == "NO"
        if action in ("TORSION", "DISTANCE"):
            atoms = xyz[np.array(said["ATOMS"].split(","), dtype=int) - 1]
            steps = np.diff(atoms, axis=0)
            if box_nm is not None and "NOPBC" not in flags:
                steps -= box_nm * np.round(steps / box_nm)
            known[label] = np.linalg.norm(steps[0]) if action == "DISTANCE" else _torsion(*steps)
        elif action == "CUSTOM":
            names = {"x": known[said["ARG"]], "cos": np.cos, "sin": np.sin, "tanh": np.tanh, "__builtins__": {}}
            known[label] = eval(said["FUNC"], names)
        elif action == "COMBINE":
            arguments = np.array([known[name] for name in said["ARG"].split(",")])
            coefficients, parameters = (
                np.array(said[key].split(","), dtype=float) for key in ("COEFFICIENTS", "PARAMETERS")
            )
            assert len(coefficients) == len(parameters) == len(arguments)
            known[label] = coefficients @ (arguments - parameters)
        else:
            known[label] = [known[name] for name in said["ARG"].split(",")]
    return known


def _torsion(one, middle, other):
    """IUPAC: positive where, seen along the middle bond, the far one turns clockwise."""
    middle = middle / np.linalg.norm(middle)
    one, other = -one + (one @ middle) * middle, other - (other @ middle) * middle
    return np.arctan2(np.cross(middle, one) @ other, one @ other)
