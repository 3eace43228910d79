"""The final training of a chosen network: on all images but those for testing, and what it is worth
on those.

Nothing is chosen any more, so nothing is held out, and the test images are looked at once, when all
epochs are over. What a recipe decides by validation errors is decided so:

| in the search               | here                                                           |
|-----------------------------|----------------------------------------------------------------|
| `keep = best`               | the weights of the last epoch                                  |
| `patience`                  | all epochs                                                     |
| `schedule = plateau`        | the training error is waited for in place of the validation's  |
"""

from dataclasses import replace

import numpy as np

from skipsearch.trainers.data.arrays import Data, Images
from skipsearch.trainers.recipe.recipe import Recipe
from skipsearch.trainers.trial.job import Job, Report
from skipsearch.trainers.trial.training import Training


def final_recipe(recipe: Recipe, epochs: int) -> Recipe:
    """The recipe of the search for a training of so many epochs in which nothing is chosen."""
    return replace(recipe, epochs=epochs, keep="last", patience=0)


def final_data(data: Data) -> Data:
    """Trained on are the images of training and validation. They are normalised as in the search,
    so that what uses its networks can use these.
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
    """An epoch a step, as `Training`, without validation images (`val_error` is nan); the report
    of the last one has `test_error` and `test_loss`.
    """

    def __init__(self, job: Job, data: Data) -> None:
        self.training, self.data = Training(job, data), data

    def step(self) -> Report:
        report = self.training.step()
        return self._tested(report) if report.last and not report.diverged else report

    def _tested(self, report: Report) -> Report:
        from skipsearch.trainers.loop.evaluate import evaluate

        fit = self.training.fit
        assert fit is not None
        loss, error = evaluate(fit.model, self.data, "test", bf16=fit.bf16)
        return replace(report, test_error=error, test_loss=loss)

    def close(self) -> None:
        self.training.close()
