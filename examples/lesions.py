"""Lesions
=======

Which neurons does a trained network need? Take out one after the other and look.

A neural circuit policy learns to read handwritten digits row by row; then every neuron in turn is removed from the
trained network, and the accuracy on unseen digits is printed.

    python examples/lesions.py [--quick]
"""

import sys

import torch

import wormnet


def accuracy(rnn: wormnet.Recurrent, x: torch.Tensor, y: torch.Tensor) -> float:
    """Share of the sequences whose largest output is the right one."""
    with torch.no_grad():
        return (rnn(x)[0].argmax(1) == y).float().mean().item()


def main(epochs: int) -> None:
    torch.manual_seed(0)
    digits = wormnet.data.load("digits")
    x, y = torch.tensor(digits.train.x), torch.tensor(digits.train.y)
    x_test, y_test = torch.tensor(digits.test.x), torch.tensor(digits.test.y)

    wiring = wormnet.auto_ncp(inputs=8, neurons=40, outputs=10, sparsity=0.5)
    rnn = wormnet.CfC(wiring, return_sequences=False)
    optimiser = torch.optim.Adam(rnn.parameters(), lr=0.01)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            loss = torch.nn.functional.cross_entropy(rnn(x[batch])[0] * 5, y[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    intact = accuracy(rnn, x_test, y_test)
    print(f"intact: {intact:.3f}   always the same digit: {digits.baselines['majority']:.3f}")
    for role in ("inter", "command"):
        names = [name for name, its in zip(wiring.neurons, wiring.roles, strict=True) if its == role]
        lost = {name: intact - accuracy(rnn.on(wiring.lesion(name)), x_test, y_test) for name in names}
        worst = max(lost, key=lambda name: lost[name])
        mean = sum(lost.values()) / len(lost)
        print(f"{role:8} {len(names):3} neurons   mean loss {mean:.3f}   largest {lost[worst]:.3f} ({worst})")


if __name__ == "__main__":
    main(1 if "--quick" in sys.argv else 30)
