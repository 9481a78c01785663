"""The width of a network for a time limit, from the speed of its first half second."""

from __future__ import annotations

import dataclasses
import math

from inr.encodings import GridConfig
from inr.fields.mlp import Mlp
from inr.workflows.fit import FitPlan
from inr.workflows.forecast import Calibration

NARROWEST = 0.5
"""Of the family's width. Narrower networks lose more than their steps gain: see `within_time`."""
MULTIPLE = 8


def within_time(plan: FitPlan) -> FitPlan:
    """The plan with a narrower network where the time limit allows fewer steps than the family's recipe has.

    A step of H units costs about H^2, so the width becomes H sqrt(steps that the limit allows / steps of the recipe),
    at least half of H. A network of half the width that makes four times the steps ends higher in short runs. Other
    plans stay as they are: without a time limit alone, of fields that are not networks of dense layers, of grids (whose
    tables are what is learned), and of runs that continue.
    """
    config, settings = plan.field, plan.settings
    wanted = config.named_recipe("best", plan.signal.spec).get("steps")
    is_network = isinstance(config, Mlp) and not isinstance(config.encoding, GridConfig) and config.depth > 1
    is_limited = settings.time_s is not None and settings.steps is None
    if not is_network or not is_limited or not wanted or plan.resumed is not None or plan.start.init is not None:
        return plan
    assert isinstance(config, Mlp)
    assert settings.time_s is not None
    run = plan.begin()
    calibration = Calibration(run)
    run.advance(calibration, should_stop=calibration.is_done)
    if calibration.forecast is None:  # the limit is shorter than the calibration
        share = NARROWEST
    else:
        share = max(NARROWEST, math.sqrt(calibration.forecast.steps / wanted))
    width = max(MULTIPLE, round(config.width * share / MULTIPLE) * MULTIPLE)
    if width >= config.width:
        return plan
    return dataclasses.replace(plan, field=dataclasses.replace(config, width=width))
