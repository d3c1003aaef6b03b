"""Names of macrostates that a reader can place: Ramachandran basins where φ and ψ are known, letters otherwise."""

import numpy as np


def name_macrostates(features, macro, names, periodic):
    """A name for each macrostate, from where its frames lie.

    Parameters
    ----------
    features : array, shape (n_frames, n_features)
        Periodic columns in radians.
    macro : int array, shape (n_frames,)
    names : list of str
        Of the columns. With exactly one φ and one ψ column ("phi …", "psi …") the basins get their usual names.
    periodic : sequence of bool, shape (n_features,)

    Returns
    -------
    list of str
        Different from one another; A, B, C, … (most populated first) where there is no single φ/ψ pair.

    Examples
    --------
    >>> import numpy as np
    >>> angles = np.radians([[-70, -40], [-80, 150], [55, 45]])
    >>> name_macrostates(angles, np.array([0, 1, 2]), ["phi ALA2", "psi ALA2"], [True, True])
    ['αR', 'β', 'αL']
    """
    n_macrostates = int(macro.max()) + 1
    pair = [[i for i, name in enumerate(names) if str(name).lower().startswith(angle) and periodic[i]] for angle in ("phi", "psi")]
    if not all(len(columns) == 1 for columns in pair):
        return [_letters(k) for k in range(n_macrostates)]
    phi_psi = np.exp(1j * features[:, [pair[0][0], pair[1][0]]])
    centres = [np.degrees(np.angle(phi_psi[macro == k].mean(axis=0))) if np.any(macro == k) else (0.0, 0.0) for k in range(n_macrostates)]
    return _number_repeats([ramachandran_basin(*centre) for centre in centres])


def ramachandran_basin(phi_degrees, psi_degrees):
    """The basin of alanine dipeptide that a point lies in: β (with PII and C5), αR, αL or C7ax."""
    if phi_degrees < 0 or phi_degrees > 150:
        return "αR" if -120 < psi_degrees < 60 else "β"
    return "αL" if -30 < psi_degrees < 110 else "C7ax"


def _number_repeats(names):
    return [
        name if names.count(name) == 1 else f"{name}{names[: k + 1].count(name)}"
        for k, name in enumerate(names)
    ]


def _letters(k):
    return chr(ord("A") + k) if k < 26 else f"{chr(ord('A') + k // 26 - 1)}{chr(ord('A') + k % 26)}"
