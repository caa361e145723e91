"""Worm networks against standard networks on the same data: scores with intervals, and what they cost.

mine = wormnet.data.Dataset("mine", train, valid, test)
plan = wormnet.study.Plan(datasets=[mine], networks=["ncp-ltc", "random-ltc", "lstm"])
outcome = wormnet.study.run(plan, "out")
"""

from wormnet.study.plan import Plan, Robustness, Training, Tuning
from wormnet.study.report import report
from wormnet.study.runner import Outcome, run

__all__ = ["Outcome", "Plan", "Robustness", "Training", "Tuning", "report", "run"]
