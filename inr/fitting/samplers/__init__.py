"""The sampler slot: which of a signal's samples the next step sees."""

from inr.fitting.samplers._base import SAMPLERS, BatchIndices, Sampler, SamplerConfig, SamplerState

__all__ = ["SAMPLERS", "BatchIndices", "Sampler", "SamplerConfig", "SamplerState"]
