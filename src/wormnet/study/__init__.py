"""Worm networks against standard networks on the same data: scores with intervals, and what they cost.

mine = wormnet.data.Dataset("mine", train, valid, test)
plan = wormnet.study.Plan(datasets=[mine], networks=["ncp-ltc-repaired", "ncp-ltc-repaired/rewire", "lstm"])
outcome = wormnet.study.run(plan, "out")
"""

from wormnet.errors import WormnetError

try:
    from wormnet.study.factorial import Factorial
    from wormnet.study.metrics import Metric, register_metric
    from wormnet.study.network import Network, Shape, register_network, wired
    from wormnet.study.plan import Measures, Plan, Training, Tuning
    from wormnet.study.report import report
    from wormnet.study.runner import Outcome, run
    from wormnet.study.weights import best, load_best
except ModuleNotFoundError as error:
    if str(error.name).startswith("wormnet"):
        raise
    raise WormnetError(f'wormnet.study needs {error.name}: pip install "wormnet[study]"') from None

__all__ = [
    "Factorial",
    "Measures",
    "Metric",
    "Network",
    "Outcome",
    "Plan",
    "Shape",
    "Training",
    "Tuning",
    "best",
    "load_best",
    "register_metric",
    "register_network",
    "report",
    "run",
    "wired",
]
