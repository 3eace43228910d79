"""The attributes of a study in the storage, declared."""

from typing import Any

import optuna

from skipsearch.studies.storage.record import Attribute, Record

Table = dict[str, Any]


class StudyRecord(Record):
    """All attributes of a study, in the order in which they are first written.

    Written one by one by the driver that leads the study (`write_study`). A study that an older
    version began may lack any but `study`.
    """

    __slots__ = ()

    # When the study is created, and when it is extended (engine/open_study.py, extend_study.py);
    # `study` comes last, and also with every start of a driver (engine/provenance.py).
    space_hash = Attribute[str]("hash of the domains of all parameters")
    space = Attribute[dict[str, str]]("domain and condition of each parameter, by its name")
    versions = Attribute[dict[str, str]]("version of each package that it was created with")
    study = Attribute[dict[str, Table]]("`StudyConfig.to_dict`: the study file, resolved")

    # By the driver that leads it, with every sign of life (storage/lease.py).
    lease = Attribute[Table]("run, host, user, pid, started, since, beat (seconds), closed")

    # When it is extended (engine/extend_study.py).
    extended = Attribute[list[Table]]("a table each time: who, when, run, what, to, outside")

    # With every start of a driver, from the images that it read (engine/provenance.py).
    data = Attribute[Table]("fingerprint, classes, shape, images in train and validation")
    pixels = Attribute[Table]("mean and standard deviation of each channel, images in test")
    environments = Attribute[list[Table]]("software and hardware of its runs, each with `since`")

    # When trials are imported: first `done` is False (engine/import_trials.py).
    imports = Attribute[list[Table]](
        "a table for each study: study, url, done; then told, first, …"
    )

    # When it is known how many trials share a GPU, and when memory ran out (gpu_sharing.py).
    trials_per_gpu = Attribute[Table]("given, now, said; peak_bytes and memory_bytes, if measured")

    # When a driver ends (engine/driver.py).
    exhausted = Attribute[str]('why it ended before its budget was spent, "" where it did not')

    # Of a retraining, which has `lease`, `environments` and `trials_per_gpu` besides
    # (retraining/retrain.py).
    asked = Attribute[dict[str, int]]("trainings that were asked for, and how many were left then")

    @classmethod
    def of(cls, study: optuna.Study) -> "StudyRecord":
        """Read the attributes once: later writes do not change the record."""
        return cls(study.user_attrs)

    @property
    def settings(self) -> Table:
        """The resolved [study] table: dataset, trials, epochs, …; empty where there is none."""
        return dict((self.study or {}).get("study", {}))


def write_study(study: optuna.Study, /, **attributes: Any) -> None:
    """Write declared attributes one by one, in the order given."""
    StudyRecord.require_declared(attributes)
    for name, value in attributes.items():
        study.set_user_attr(name, value)
