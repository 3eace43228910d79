"""Retrain a chosen network on training and validation images, and test it once at the end.

Retraining selects nothing, so no images are held out for validation, and the test images are used
once, after the last epoch. What a recipe decides by validation errors is decided otherwise:

| in the search               | here                                                           |
|-----------------------------|----------------------------------------------------------------|
| `keep = best`               | the weights of the last epoch                                  |
| `patience`                  | all epochs                                                     |
| `schedule = plateau`        | the training error takes the place of the validation error     |
"""

from dataclasses import replace

import numpy as np

from skipsearch.trainers.data.arrays import Data, Images
from skipsearch.trainers.recipe.recipe import Recipe
from skipsearch.trainers.trial.job import Job, Report
from skipsearch.trainers.trial.training import Training


def final_recipe(recipe: Recipe, epochs: int) -> Recipe:
    """Adapt the recipe of the search: so many epochs, the last weights, no early end."""
    return replace(recipe, epochs=epochs, keep="last", patience=0)


def final_data(data: Data) -> Data:
    """Join the images of training and validation for training. They are normalised as in the
    search, so that its networks and the retrained ones take the same input.
    """
    own, held_out = data.train, data.validation
    index = np.concatenate([own.index, held_out.index])
    together = Images(
        np.concatenate([own.images, held_out.images]),
        np.concatenate([own.labels, held_out.labels]),
        index if len(own.index) and len(held_out.index) else own.index[:0],
    )
    return replace(data, train=together, validation=Images(own.images[:0], own.labels[:0]))


class FinalTraining:
    """Train like `Training`, one epoch per step, without validation images (`val_error` is nan).
    The last report has `test_error` and `test_loss`.
    """

    def __init__(self, job: Job, data: Data) -> None:
        self.training, self.data = Training(job, data), data

    def step(self) -> Report:
        """Train one epoch, and after the last one test the network."""
        report = self.training.step()
        return self._tested(report) if report.last and not report.diverged else report

    def _tested(self, report: Report) -> Report:
        from skipsearch.trainers.loop.evaluate import evaluate

        fit = self.training.fit
        assert fit is not None
        loss, error = evaluate(fit.model, self.data, "test", bf16=fit.bf16)
        return replace(report, test_error=error, test_loss=loss)

    def close(self) -> None:
        """Release the memory of the training."""
        self.training.close()
