"""Polynomial network, coupled CP form.  Chrysos et al. 2020 (Pi-nets), arXiv:2003.03828."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from inr.core.config import param
from inr.fields._field import FIELDS
from inr.fields._limits import Limits
from inr.fields._pi_net import PiNet
from inr.layers import BlockConfig
from inr.layers.blocks.ccp import Ccp


@FIELDS.register("pi_ccp")
@dataclass(frozen=True, kw_only=True)
class PiCcp(PiNet):
    """Polynomial of random Fourier features, no activations: h' = (U e) * h + h, degree 4 of width 256."""

    limits: ClassVar[Limits] = Limits(
        purpose="It is here as a network without activations, every value of which is a polynomial of its features.",
    )

    block: BlockConfig = param(Ccp(), "structure of a layer", was="cell")
