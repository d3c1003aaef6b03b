"""Names of macrostates that a reader can place: Ramachandran basins where φ and ψ are known, letters otherwise."""

import numpy as np

_BASINS = np.array(["αR", "β", "αL", "C7ax"])
_SHARE = 0.2  # of a macrostate's frames, that a basin must hold to be in its name


def name_macrostates(features, macro, names, periodic):
    """A name for each macrostate, from where its frames lie.

    Parameters
    ----------
    features : array, shape (n_frames, n_features)
        Periodic columns in radians.
    macro : int array, shape (n_frames,)
    names : list of str
        Of the columns. With exactly one φ and one ψ column ("phi …", "psi …") macrostates get the names of the basins
        that hold a fifth of their frames or more.
    periodic : sequence of bool, shape (n_features,)

    Returns
    -------
    list of str
        Different from one another; A, B, C, … (most populated first) where there is no single φ/ψ pair.

    Examples
    --------
    >>> import numpy as np
    >>> angles = np.radians([[-70, -40], [-80, 150], [55, 45]])
    >>> name_macrostates(angles, np.array([0, 0, 1]), ["phi ALA2", "psi ALA2"], [True, True])
    ['αR/β', 'αL']
    """
    n_macrostates = int(macro.max()) + 1
    angles = [str(name).lower() if is_angle else "" for name, is_angle in zip(names, periodic)]
    columns = [[k for k, name in enumerate(angles) if name.startswith(wanted)] for wanted in ("phi", "psi")]
    if [len(found) for found in columns] != [1, 1]:
        return [letters(k) for k in range(n_macrostates)]
    basins = ramachandran_basins(*np.degrees(features[:, [found[0] for found in columns]]).T)
    return _number_repeats([_name_of(basins[macro == k]) for k in range(n_macrostates)])


def name_by_contacts(native, parts, radius_of_gyration, macro):
    """A name for each macrostate of a protein, from the contacts and the size of its frames.

    Parameters
    ----------
    native : array, shape (n_frames,)
        Fraction of all native contacts.
    parts : dict of str -> array, shape (n_frames,)
        Fractions of native contacts of parts of the protein, such as its hairpins.
    radius_of_gyration : array, shape (n_frames,)
    macro : int array, shape (n_frames,)

    Returns
    -------
    list of str
        "native" where all parts are formed (more than halfway between the macrostates with most and with fewest of
        their contacts), the parts that are formed where not all are, "misfolded" where none is but the chain is nearer
        in size to the most compact macrostate than to the largest, "unfolded" otherwise. Different from one another.

    Examples
    --------
    >>> import numpy as np
    >>> q = {"hairpin 1": np.array([0.9, 0.8, 0.1, 0.0]), "hairpin 2": np.array([0.9, 0.1, 0.1, 0.1])}
    >>> name_by_contacts(np.array([0.9, 0.5, 0.1, 0.0]), q, np.array([1.0, 1.1, 1.0, 2.0]), np.arange(4))
    ['native', 'hairpin 1', 'misfolded', 'unfolded']
    """

    def means(values):
        return np.bincount(macro, values) / np.bincount(macro)

    formed = {name: means(values) for name, values in parts.items()}
    formed = {name: mean > (mean.min() + mean.max()) / 2 for name, mean in formed.items()}
    size, share = means(radius_of_gyration), means(native)
    compact = size < (size.min() + size.max()) / 2
    names = []
    for k in range(len(share)):
        there = [name for name in parts if formed[name][k]]
        if len(there) == len(parts):
            names.append("native" if share[k] >= share.max() - 1e-12 else "native-like")
        else:
            names.append(" + ".join(there) or ("misfolded" if compact[k] else "unfolded"))
    return _number_repeats(names)


def ramachandran_basins(phi_degrees, psi_degrees):
    """Index of the basin of alanine dipeptide of each point: αR, β (with PII and C5), αL, C7ax."""
    phi, psi = (np.asarray(angle) for angle in (phi_degrees, psi_degrees))
    left = (phi < 0) | (phi > 150)
    return np.where(left, np.where((psi > -120) & (psi < 60), 0, 1), np.where((psi > -30) & (psi < 110), 2, 3))


def _name_of(basins):
    shares = np.bincount(basins, minlength=len(_BASINS)) / max(len(basins), 1)
    order = np.argsort(-shares, kind="stable")
    return "/".join(_BASINS[k] for k in order if shares[k] >= _SHARE) or "?"


def _number_repeats(names):
    return [name if names.count(name) == 1 else f"{name} {names[: k + 1].count(name)}" for k, name in enumerate(names)]


def letters(k):
    """A, B, … Z, AA, AB, … for 0, 1, …"""
    return (letters(k // 26 - 1) if k >= 26 else "") + chr(ord("A") + k % 26)
