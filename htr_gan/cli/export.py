"""`htr-gan export`: networks in files that run without this package."""

from __future__ import annotations

import os
from argparse import Namespace

from htr_gan.cli.quiet import quiet_tensorflow
from htr_gan.errors import UsageError
from htr_gan.inference.trained import EXPORT, find_trained


def run_export(arguments: Namespace) -> int:
    """The exit status: 0 written."""
    out = arguments.out
    trained = find_trained(arguments.run, arguments.checkpoint)
    if os.path.lexists(out):
        is_ours = (out / EXPORT).is_file()
        if not (is_ours and arguments.force):
            remedy = "--force replaces an earlier export" if is_ours else "name a new folder"
            raise UsageError(f"{out} exists already; nothing was written", "", remedy)
    quiet_tensorflow()
    from htr_gan.inference.exporting import export_trained

    names = export_trained(trained, out, arguments.format)
    print(f"{out}: {', '.join(names)}, from {trained.label}")
    return 0
