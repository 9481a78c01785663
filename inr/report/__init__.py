"""Figures of results, and the page that shows them. matplotlib is imported when one is drawn."""

from inr.report.comparison import FIGURE_FORMATS, draw_comparison
from inr.report.ntk import ntk_report
from inr.report.ntk_figure import draw_ntk, draw_ntks
from inr.report.page import page

__all__ = ["FIGURE_FORMATS", "draw_comparison", "draw_ntk", "draw_ntks", "ntk_report", "page"]
