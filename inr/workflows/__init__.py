"""Use cases made of fits: plans of fits, comparison, distillation, learned starts, choice of settings.

`inr.fit`, `inr.compare` and `inr.convert` are their short forms. A `FitPlan` has everything resolved before the run
begins, and makes the run; `learn` has no short form.
"""

from inr.workflows.compare import Comparison, FamilyResult, FitBudget, QualityPoint
from inr.workflows.distillation import distil
from inr.workflows.fit import FitPlan
from inr.workflows.fresh import FrequencyChoice, choose_frequency
from inr.workflows.intrinsic_dimension import IntrinsicDimension, intrinsic_dimension
from inr.workflows.meta_learning import LearnConfig, learn
from inr.workflows.request import FitRequest, read_config
from inr.workflows.sizing import Sized, count_parameters, sized
from inr.workflows.start import Start

__all__ = [
    "Comparison",
    "FamilyResult",
    "FitBudget",
    "FitPlan",
    "FitRequest",
    "FrequencyChoice",
    "IntrinsicDimension",
    "LearnConfig",
    "QualityPoint",
    "Sized",
    "Start",
    "choose_frequency",
    "count_parameters",
    "distil",
    "intrinsic_dimension",
    "learn",
    "read_config",
    "sized",
]
