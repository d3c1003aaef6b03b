"""A choice on held-out data that asks for evidence: the least of something that is as good as the best."""

import numpy as np

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def least_share(losses):
    """The smallest of `SHARES` whose held-out loss is within a standard error of the lowest.

    Parameters
    ----------
    losses : ndarray, shape (n_units, n_shares)
        Of each held-out trajectory or window, with each share.

    Returns
    -------
    float

    References
    ----------
    Breiman et al., Classification and Regression Trees (1984), section 3.4.3: the rule of one standard error, here of
    the paired difference.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(200, 1))
    >>> least_share(noise + [[1.0, 1.0, 1.0, 1.0, 1.0]]), least_share(noise + [[5.0, 4.0, 3.0, 2.0, 1.0]])
    (0.0, 1.0)
    """
    worse = losses - losses[:, [losses.mean(axis=0).argmin()]]
    error = worse.std(axis=0, ddof=1) / np.sqrt(len(worse)) if len(worse) > 1 else 0.0
    return SHARES[int(np.argmax(worse.mean(axis=0) <= error))]
