"""Analytic potentials of a particle in the plane, written as text: the same expression for OpenMM and for numpy."""

from __future__ import annotations

import ast
import dataclasses
import functools
import keyword
import math
import re
from collections.abc import Sequence

import numpy as np
from scipy.optimize import root

from mdtok.errors import DataError, SettingsError


def _absolute(values):
    return np.where(np.real(values) < 0, np.negative(values), values)  # np.abs would lose the complex step


_FUNCTIONS = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "square": np.square,
    "abs": _absolute,
}
_OPERATORS = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
    ast.USub: np.negative,  # no plus: OpenMM reads none before a value
}
_COMPLEX_STEP = 1e-30
_ODD = re.compile(r"[^\t\n\r -~]|#|\b0[xXoObB]\w+|\b[0-9][0-9.]*_\w*")  # Python reads them, OpenMM does not
_LONGEST, _MOST_OPERATIONS, _DEEPEST = 20_000, 5_000, 200  # OpenMM writes definitions out, where they can double


@dataclasses.dataclass(frozen=True)
class Potential:
    """A potential energy in x and y (nm), in kJ/mol.

    Attributes
    ----------
    expression : str
        In OpenMM's syntax, as for a ``CustomExternalForce``: ``+ - * / ^``, functions, and definitions after semicolons
        (``"k*r2; r2 = x^2 + y^2"``).
    parameters : dict of str -> float
        Values of the other names in it.

    Raises
    ------
    SettingsError
        The expression cannot be read, or names something that is not known.

    Examples
    --------
    >>> spring = Potential("k*r2; r2 = x^2 + y^2", {"k": 2.0})
    >>> spring.energy([[0.0, 0.0], [1.0, 2.0]])
    array([ 0., 10.])
    >>> spring.gradient([[1.0, 2.0]])
    array([[4., 8.]])
    """

    expression: str
    parameters: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        for name, value in self.parameters.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise SettingsError(f"The parameter {name} is {value!r}; a number was expected.")
            if name in ("x", "y", "z", *_FUNCTIONS) or not str(name).isidentifier() or keyword.iskeyword(name):
                raise SettingsError(f"{name!r} cannot be the name of a parameter.")
        if not isinstance(self.expression, str) or not self.expression.strip():
            raise SettingsError(f"The potential is {self.expression!r}; an expression in x and y was expected.")
        main, definitions = _parse(self.expression)
        known = {"x", "y", *self.parameters}
        sizes = dict.fromkeys(known, (1, 1))
        for name, tree in definitions:  # in the order in which they can be worked out
            if name in sizes or name in _FUNCTIONS:
                raise SettingsError(f"The potential defines {name!r}, which has a meaning already; name it anew.")
            _check_tree(tree, known)
            known.add(name)
            sizes[name] = _size(tree, sizes)
        _check_tree(main, known)
        _size(main, sizes)

    def energy(self, points: np.ndarray) -> np.ndarray:
        """Energy in kJ/mol, shape (n,), at points of shape (n, 2) in nm."""
        return self._evaluate(_as_points(points))

    def gradient(self, points: np.ndarray) -> np.ndarray:
        """Gradient in kJ/(mol nm), shape (n, 2), exact to rounding (complex-step derivative, Squire and Trapp 1998)."""
        points = _as_points(points)
        steps = _COMPLEX_STEP * 1j * np.eye(2)
        return np.stack([self._evaluate(points + step).imag / _COMPLEX_STEP for step in steps], axis=1)

    def hessian(self, point: np.ndarray) -> np.ndarray:
        """Second derivatives at one point, shape (2, 2), in kJ/(mol nm^2)."""
        step = 1e-5 * np.eye(2)
        columns = (self.gradient(point + step) - self.gradient(point - step)) / 2e-5
        return (columns + columns.T) / 2

    def stationary_points(self, bounds: Sequence[Sequence[float]], n_starts: int = 16) -> tuple[np.ndarray, np.ndarray]:
        """Minima and saddle points within bounds.

        Parameters
        ----------
        bounds : ((x_low, x_high), (y_low, y_high))
            In nm.
        n_starts : int
            Searches start on a grid of so many points a side.

        Returns
        -------
        minima, saddles : ndarrays, shape (n, 2) each
            By increasing energy.
        """
        (x_low, x_high), (y_low, y_high) = bounds
        axes = np.linspace(x_low, x_high, n_starts), np.linspace(y_low, y_high, n_starts)
        found = []
        for start in np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2):
            with np.errstate(all="ignore"):  # a step may go far out, and comes back
                point = root(lambda p: self.gradient(p)[0], start, jac=self.hessian).x
            inside = x_low <= point[0] <= x_high and y_low <= point[1] <= y_high
            is_new = not any(np.linalg.norm(point - other) < 1e-4 for other in found)
            if inside and is_new and np.linalg.norm(self.gradient(point)) < 1e-6:
                found.append(point)
        found.sort(key=lambda p: self.energy(p)[0])
        n_down = [int((np.linalg.eigvalsh(self.hessian(p)) < 0).sum()) for p in found]
        minima, saddles = (
            np.array([p for p, n in zip(found, n_down) if n == wanted]).reshape(-1, 2) for wanted in (0, 1)
        )
        return minima, saddles

    def _evaluate(self, points):
        values = {"x": points[:, 0], "y": points[:, 1], **self.parameters}
        main, definitions = _parse(self.expression)
        for name, tree in definitions:
            values[name] = _value(tree, values)
        energy = _value(main, values)
        return energy + np.zeros(len(points))  # a constant holds everywhere


def _as_points(points):
    points = np.asarray(points, dtype=float)
    if points.ndim not in (1, 2) or points.shape[-1] != 2:
        raise DataError(f"Points have the shape {points.shape}; (n, 2) was expected, x and y in nm.")
    return np.atleast_2d(points)


@functools.lru_cache
def _parse(expression):
    """The tree of the energy, and those of its definitions, each after those that it needs."""
    if len(expression) > _LONGEST:
        raise SettingsError(f"The potential has {len(expression):,} characters; at most {_LONGEST:,} were expected.")
    odd = _ODD.search(expression)
    if odd:
        raise SettingsError(f"The potential has {odd[0]!r}; names, decimal numbers and + - * / ^ were expected.")
    main, *others = [part.strip() for part in expression.split(";") if part.strip()] or [""]
    definitions = []
    for part in others:
        name, equals, body = part.partition("=")
        if not equals or not name.strip().isidentifier():
            raise SettingsError(f"The potential has {part!r} after a semicolon; 'name = expression' was expected.")
        definitions.append((name.strip(), _tree(body)))
    return _tree(main), definitions[::-1]  # in Lepton, a definition may use those that come after it


def _tree(text):
    """Python's own parser reads it, the power written its way; OpenMM's syntax is the same otherwise."""
    text = " ".join(text.split())
    if "**" in text:
        raise SettingsError(f"The potential has a syntax error near '**' in {text[:80]!r}: powers are written x^2.")
    code = text.replace("^", "**")
    try:
        return ast.parse(code, mode="eval").body
    except (RecursionError, MemoryError, ValueError):
        raise SettingsError(f"The potential has brackets or operations nested too deep in {text[:80]!r}.") from None
    except SyntaxError as error:
        column = (error.offset or 1) - 1
        near = code[max(0, column - 12) : column + 12].replace("**", "^")
        what = error.msg.split(". ")[0]  # without advice on Python
        raise SettingsError(f"The potential has a syntax error near {near!r} in {text[:80]!r}: {what}.") from None


def _check_tree(tree, known):
    """Only arithmetic, known functions of one argument, and known names."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if getattr(node.func, "id", None) not in _FUNCTIONS or len(node.args) != 1 or node.keywords:
                raise SettingsError(
                    f"The potential calls {_text(node)!r}; functions of one argument are {', '.join(_FUNCTIONS)}."
                )
        elif isinstance(node, ast.Name):
            if node.id not in known and id(node) not in called:
                raise SettingsError(
                    f"The potential names {node.id!r}, which is neither x, y, a parameter nor a definition."
                )
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, bool) or not isinstance(node.value, (int, float)) or not _is_finite(node.value):
                raise SettingsError(f"The potential has {_text(node)!r}; numbers were expected.")
        elif not isinstance(getattr(node, "op", node), (ast.Load, *_OPERATORS)):  # an operation is what its operator is
            raise SettingsError(
                f"The potential has {_text(node)!r}, which is not arithmetic: + - * / ^ and functions are."
            )


def _is_finite(value):
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def _size(tree, sizes):
    """Operations and depth of a tree with its definitions written out; SettingsError where there are too many."""
    n_operations, deepest, left = 0, 0, [(tree, 1)]
    while left:
        node, depth = left.pop()
        of_name, depth_of_name = sizes.get(node.id, (1, 1)) if isinstance(node, ast.Name) else (1, 0)
        n_operations, deepest = n_operations + of_name, max(deepest, depth + depth_of_name)
        if n_operations > _MOST_OPERATIONS or deepest > _DEEPEST:
            raise SettingsError(
                f"The potential, written out, has over {_MOST_OPERATIONS:,} operations or is over {_DEEPEST} deep; "
                "write it shorter."
            )
        left += [(child, depth + 1) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
    return n_operations, deepest


def _text(node):
    return ast.unparse(node).replace("**", "^")[:40]


def _value(node, values):
    if isinstance(node, ast.Constant):
        return float(node.value)
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.Call):
        return _FUNCTIONS[node.func.id](_value(node.args[0], values))
    if isinstance(node, ast.UnaryOp):
        return _OPERATORS[type(node.op)](_value(node.operand, values))
    return _OPERATORS[type(node.op)](_value(node.left, values), _value(node.right, values))
