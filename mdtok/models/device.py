"""Where networks are trained and asked."""


def best_device():
    """CUDA where there is one, then Apple's MPS, else the processor: the choice that the Trainer makes too.

    A network that was loaded goes where one that was just trained is. Otherwise a run that is taken up again, or whose
    stages are run one by one, would generate on the processor beside an idle GPU.

    Returns
    -------
    torch.device

    Examples
    --------
    >>> best_device().type in {"cuda", "mps", "cpu"}
    True
    """
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
