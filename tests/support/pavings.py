"""Whether designs lie in boxes."""

import math

import numpy as np
import torch
from scipy.spatial import cKDTree


def holds(boxes, x, slack=0.0):
    """Whether each x (k, d) lies in one of the boxes, or no farther than ``slack`` outside of it: (k,) bool."""
    lo, hi = boxes.lo - slack, boxes.hi + slack
    reach = float((hi - lo).max()) / 2 * (1 + 1e-9)
    near = cKDTree(boxes.mid().numpy()).query_ball_point(x.numpy(), reach, p=math.inf)
    point = np.repeat(np.arange(len(x)), [len(few) for few in near])
    box = np.concatenate(near).astype(int)
    inside = torch.zeros(len(x), dtype=torch.bool)
    inside[point[((lo[box] <= x[point]) & (x[point] <= hi[box])).all(1)]] = True
    return inside
