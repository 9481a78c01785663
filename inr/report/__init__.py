"""Figures of results, and the HTML page of fits. matplotlib is imported only when a figure is drawn."""

from inr.report._target import signal_of
from inr.report.comparison import FIGURE_FORMATS, draw_comparison
from inr.report.ntk_change import draw_ntk_change
from inr.report.ntk_figure import draw_ntk, draw_ntks
from inr.report.page import page

__all__ = ["FIGURE_FORMATS", "draw_comparison", "draw_ntk", "draw_ntk_change", "draw_ntks", "page", "signal_of"]
