"""Constants of the orthogonalized updates and the weight decay, for every backend."""

#: Coefficients of the quintic polynomial a x + b x^3 + c x^5 (Jordan et al., 2024).
COEFFICIENTS = 3.4445, -4.7750, 2.0315

#: Three iterations are as good as the five of Muon; with two, test rows are ranked
#: worse (docs/research/034).
N_ITERATIONS = 3

#: Share of the first kernel's update that is orthogonalized. A share of 1 gains more in
#: the mean, but on fewer tables; a share of 0 gains less (docs/research/034).
FIRST_SHARE = 0.5

#: Number of steps whose sum is orthogonalized. To orthogonalize every step takes a
#: tenth to a quarter more time and is no better (docs/research/043).
STEPS_TOGETHER = 4

#: Weight decay of hidden kernels, in units of the learning rate (Loshchilov & Hutter,
#: 2019, "Decoupled Weight Decay Regularization", arXiv:1711.05101).
WEIGHT_DECAY = 0.1


def kernel_groups(layout):
    """Indices of the hidden kernels that are orthogonalized together.

    The first one is orthogonalized by itself, others of one shape together.

    Parameters
    ----------
    layout : NetworkLayout

    Returns
    -------
    list of list of int
    """
    first, *others = [*layout.hidden_kernels] or [None]
    shapes = layout.shapes
    groups = [] if first is None else [[first]]
    return groups + [
        [i for i in others if shapes[i] == shape]
        for shape in dict.fromkeys(shapes[i] for i in others)
    ]
