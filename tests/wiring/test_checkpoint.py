"""A wiring among the hyperparameters of a Lightning module comes back from its checkpoint without unsafe pickles."""

import pytest

from wormnet.wiring import Wiring, auto_ncp

lightning = pytest.importorskip("pytorch_lightning")
torch = pytest.importorskip("torch")


class Regressor(lightning.LightningModule):
    def __init__(self, wiring, rate=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.weights = torch.nn.Linear(wiring.n_inputs, wiring.n_outputs)


@pytest.mark.parametrize("weights_only", [True, None])
def test_a_lightning_checkpoint_holds_the_wiring(tmp_path, weights_only):
    wiring = auto_ncp(inputs=3, neurons=8, outputs=2)
    model = Regressor(wiring)
    trainer = lightning.Trainer(
        max_epochs=0, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.strategy.connect(model)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    with torch.serialization.safe_globals([Wiring]):
        found = Regressor.load_from_checkpoint(tmp_path / "model.ckpt", weights_only=weights_only)
    assert found.hparams.wiring == wiring
    assert torch.equal(found.weights.weight, model.weights.weight)
