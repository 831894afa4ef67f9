"""The report of an experiment: from the result files of runs to tables, figures and a page."""

from utils.report.report import write_report

__all__ = ["write_report"]
