"""What holds of the layers for Keras on the back end of KERAS_BACKEND, as JSON; `test_keras` runs it.

Args: a folder for files.
"""

import json
import sys

import keras
import numpy as np
import torch
from exports import layer

import wormnet
from wormnet import export
from wormnet.cli import main
from wormnet.compat import keras as wk
from wormnet.errors import WormnetError

CASES = ("ltc", "ltc-ncp", "ltc-midpoint", "cfc", "cfc-pure", "cfc-no-gate", "ctrnn")
folder, rng = sys.argv[1], np.random.default_rng(0)
plain = keras.ops.convert_to_numpy


def samples(rnn, batch=3, time=12):
    x = rng.standard_normal((batch, time, rnn.n_inputs)).astype(np.float32)
    return x, (rng.uniform(0.1, 1.0, (batch, time)) * rnn.time_unit).astype(np.float32)


def of_torch(rnn, x, dt):
    with torch.no_grad():
        return rnn(torch.tensor(x), dt=torch.tensor(dt))[0].numpy()


def refusal(call):
    try:
        call()
    except WormnetError as error:
        return str(error)
    return "nothing"


told = {"backend": keras.backend.backend(), "errors": {}, "weights_equal": 0}
for case in CASES:
    rnn = layer(case)
    rnn.time_unit = 0.5
    made, (x, dt) = wk.from_torch(rnn), samples(rnn)
    told["errors"][case] = float(np.abs(plain(made(x, dt=dt)) - of_torch(rnn, x, dt)).max())
    again = wk.to_torch(made, backend="reference").state_dict()
    told["weights_equal"] += all(torch.equal(value, again[name]) for name, value in rnn.state_dict().items())

rnn = layer("ltc-ncp")
made, (x, dt) = wk.from_torch(rnn), samples(rnn)
one, times = keras.Input((None, rnn.n_inputs)), keras.Input((None,))
model = keras.Model([one, times], made(one, dt=times))
model.save(f"{folder}/mine.keras")
read = keras.saving.load_model(f"{folder}/mine.keras")
told["file_error"] = float(np.abs(plain(read([x, dt])) - plain(model([x, dt]))).max())
told["file_wiring_equal"] = next(one for one in read.layers if isinstance(one, wk.LTC)).wiring == rnn.wiring
told["exported"] = export.keras(rnn, f"{folder}/policy.keras").measured
wormnet.save(rnn, f"{folder}/net.safetensors")
try:
    main(["export", f"{folder}/net.safetensors", "--to", "keras"])
except SystemExit as stop:
    if stop.code:
        raise
read = keras.saving.load_model(f"{folder}/net.keras")
told["from_command_line"] = float(np.abs(plain(read([x, dt])) - of_torch(rnn, x, dt)).max())

split = wk.from_torch(rnn, return_state=True)
whole, _ = split(x, dt=dt)
_, state = split(x[:, :5], dt=dt[:, :5])
rest, _ = split(x[:, 5:], dt=dt[:, 5:], initial_state=[state])
told["resumed"] = float(np.abs(plain(rest) - plain(whole)[:, 5:]).max())
mask = np.arange(x.shape[1]) < 5
_, held = split(x, dt=dt, mask=np.broadcast_to(mask, x.shape[:2]))
told["masked"] = float(np.abs(plain(held) - plain(state)).max())

y = rnn(torch.tensor(x), dt=torch.tensor(dt))[0].square().mean()
y.backward()
expected = {name: value.grad.numpy() for name, value in rnn.named_parameters()}
if told["backend"] == "jax":
    import jax

    def loss(values):
        found, _ = made.stateless_call(values, [v.value for v in made.non_trainable_variables], x, dt=dt)
        return keras.ops.mean(keras.ops.square(found))

    found = jax.grad(loss)([v.value for v in made.trainable_variables])
else:
    keras.ops.mean(keras.ops.square(made(x, dt=dt))).backward()
    found = [v.value.grad for v in made.trainable_variables]
named = {v.path.split("/")[-1]: np.asarray(plain(g)) for v, g in zip(made.trainable_variables, found, strict=True)}
told["gradients"] = max(float(np.abs(named[name.replace(".", "_")] - g).max()) for name, g in expected.items())

keras.utils.set_random_seed(0)
small = wormnet.auto_ncp(inputs=2, neurons=8, outputs=1)
learner = keras.Sequential([wk.CfC(wormnet.dense(2, 6)), keras.layers.Dense(1)])
learner.compile(keras.optimizers.Adam(0.03), "mse")
x = rng.standard_normal((64, 6, 2)).astype(np.float32)
told["losses"] = learner.fit(x, x[:, -1, :1], epochs=25, batch_size=64, verbose=0).history["loss"]


def drawn():
    keras.utils.set_random_seed(3)
    one = wk.CTRNN(small)
    one.build((None, None, 2))
    return plain(one.cell.stored["weight"])


told["same_draw"] = bool((drawn() == drawn()).all())
told["refused"] = [
    refusal(lambda: wk.from_torch(layer("ltc-memory"))),
    refusal(lambda: wk.from_torch(layer("cfc-backbone"))),
    refusal(lambda: wk.from_torch(layer("ltc"))(np.zeros((1, 2, 3), np.float32))),
    refusal(lambda: wk.LTC(3)),
    refusal(lambda: wk.to_torch(wk.LTC(small))),
    *(refusal(lambda shape=shape: wk.LTC(small)(x[:4, :5], dt=np.ones(shape, np.float32))) for shape in ((4, 3), (4,))),
    refusal(lambda: wk.LTC(small)(x[:4, :5], dt=np.zeros((4, 5), np.float32))),
    refusal(lambda: wk.LTC(small)(x[:4, :5], dt=-1.0)),
    refusal(lambda: wk.LTC(small)(x[:4, :5], dt=np.full((4, 5), np.nan, np.float32))),
    refusal(lambda: wk.LTC(small)(x[:4, :5], dt=np.inf)),
]
# Padding is often 0 or NaN, in dt too.
padded = np.arange(5) < np.array([5, 2, 3, 1])[:, None]
told["padded"] = [
    refusal(lambda times=times: wk.LTC(small)(x[:4, :5], dt=times.astype(np.float32), mask=padded))
    for times in (padded, np.where(padded, 1.0, np.nan))
]
# Where the call is compiled nobody looks at numbers: a wrong dt is NaN from there on, and no other sequence is.
one, times = keras.Input((5, 2)), keras.Input((5,))
compiled = keras.Model([one, times], wk.CTRNN(small, return_sequences=True)(one, dt=times))
wrong = np.ones((3, 5), np.float32)
wrong[0, 2], wrong[1, 4] = 0.0, np.inf
try:
    said = compiled.predict([x[:3, :5], wrong], verbose=0)
    told["compiled"] = np.isnan(said).all(2).tolist()
except WormnetError as error:
    told["compiled"] = str(error)
print(json.dumps(told))
