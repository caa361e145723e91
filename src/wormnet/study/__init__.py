"""Worm networks against standard networks on the same data: scores with intervals, and what they cost.

mine = wormnet.data.Dataset("mine", train, valid, test)
plan = wormnet.study.Plan(datasets=[mine], networks=["ncp-ltc", "random-ltc", "lstm"])
outcome = wormnet.study.run(plan, "out")
"""

from wormnet.errors import WormnetError

try:
    from wormnet.study.plan import Plan, Robustness, Training, Tuning
    from wormnet.study.report import report
    from wormnet.study.runner import Outcome, run
except ModuleNotFoundError as error:
    if str(error.name).startswith("wormnet"):
        raise
    raise WormnetError(f'wormnet.study needs {error.name}: pip install "wormnet[study]"') from None

__all__ = ["Outcome", "Plan", "Robustness", "Training", "Tuning", "report", "run"]
