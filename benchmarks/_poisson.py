"""The child process of `scans.py`: screened Poisson of pymeshlab, in its environment, without inr.

`python _poisson.py IN.npz OUT.ply DEPTH`, with `points` and `normals` [N, 3] in IN.npz.
"""

from __future__ import annotations

import sys

import numpy as np


def main(given: str, written: str, depth: int) -> None:
    import pymeshlab

    cloud = np.load(given)
    meshes = pymeshlab.MeshSet()
    meshes.add_mesh(pymeshlab.Mesh(vertex_matrix=cloud["points"], v_normals_matrix=cloud["normals"]))
    meshes.generate_surface_reconstruction_screened_poisson(depth=depth, threads=1)
    meshes.save_current_mesh(written, save_vertex_color=False)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
