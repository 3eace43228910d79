"""What a start of a study did before it trained anything, in lines: imports, an extension."""

from collections.abc import Mapping
from typing import Any

import optuna


def notices(study: optuna.Study) -> list[str]:
    """Of the driver that leads the study now, or led it last."""
    facts = study.user_attrs
    run = facts.get("lease", {}).get("run")
    imports = [import_line(r) for r in facts.get("imports", []) if r.get("run") == run]
    extended = [extension_line(r) for r in facts.get("extended", []) if r["run"] == run]
    return [*extended, *imports]


def import_line(record: Mapping[str, Any]) -> str:
    """`imported base: 12 told as trained, 3 trained first, 5 skipped (4 failed, 1 known here)`."""
    skipped = record["skipped"]
    why = ", ".join(f"{count} {reason}" for reason, count in skipped.items())
    return (
        f"imported {record['study']}: {record['told']} told as trained, {record['first']} trained "
        f"first, {sum(skipped.values())} skipped" + (f" ({why})" if why else "")
    )


def extension_line(record: Mapping[str, Any]) -> str:
    outside = record["outside"]
    stay = f"; {outside} earlier trials lie outside of it and stay" if outside else ""
    return f"extended: {'; '.join(record['what'])}{stay}"
