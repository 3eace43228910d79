"""A training as Ray Tune runs it: the only file of `trainers` that knows Ray.

The class interface, because an actor is then used for trial after trial (0.08 s a trial instead of
5).
"""

from typing import Any

from ray import tune

from trainers.training import Begin


class TrialActor(tune.Trainable):  # type: ignore[misc]
    """`step` is one epoch."""

    def setup(self, config: dict[str, Any], begin: Begin) -> None:
        self.begin = begin
        self.training = begin(config["job"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.cleanup()
        self.training = self.begin(new_config["job"])
        return True

    def step(self) -> dict[str, Any]:
        return self.training.step()

    def cleanup(self) -> None:
        self.training.close()
