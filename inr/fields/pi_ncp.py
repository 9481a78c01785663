"""Polynomial network, nested coupled CP form.  Chrysos et al. 2020 (Pi-nets), arXiv:2003.03828."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from inr.core.config import param
from inr.fields._field import FIELDS
from inr.fields._limits import Limits
from inr.fields._pi_net import PiNet
from inr.layers import BlockConfig
from inr.layers.blocks.ncp import Ncp


@FIELDS.register("pi_ncp")
@dataclass(frozen=True, kw_only=True)
class PiNcp(PiNet):
    """Polynomial of random Fourier features, no activations: h' = (A e) * (S h + B b) + h, degree 4 of width 256.

    With the skip + h it is the paper's NCP-Skip; `field.block.has_skip=false` is its NCP.
    """

    limits: ClassVar[Limits] = Limits(
        purpose="It is here as a network without activations, every value of which is a polynomial of its features.",
    )

    block: BlockConfig = param(Ncp(), "structure of a layer", was="cell")
