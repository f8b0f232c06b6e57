"""`htr-gan restore`: degraded lines of any size to restored ones, file by file."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from htr_gan.cli.quiet import quiet_tensorflow
from htr_gan.errors import EXIT_STOPPED, GanError, StopRequested, UsageError
from htr_gan.files import write_atomic
from htr_gan.inference.files import find_files, in_groups, refuse_existing, refuse_same, targets_of
from htr_gan.inference.trained import Trained, find_trained, require_kind
from htr_gan.stop import StopFlag

if TYPE_CHECKING:
    from htr_gan.inference.pictures import PictureFile
    from htr_gan.inference.restorer import Restorer


@dataclass
class Tally:
    """What became of the files."""

    restored: int = 0
    failed: list[str] = field(default_factory=list)

    def fail(self, error: GanError | OSError) -> None:
        """Count a file that could not be restored, and say so at once."""
        sentence = "; ".join(str(error).split("\n")) if isinstance(error, GanError) else str(error)
        self.failed.append(sentence)
        sys.stderr.write(f"htr-gan: {sentence}\n")


def run_restore(arguments: Namespace) -> int:
    """The exit status: 0 all restored, 1 some failed, 143 stopped."""
    from htr_gan.inference.pictures import SUFFIXES

    source, out = arguments.source, arguments.out
    if arguments.batch < 1:
        raise UsageError(f"--batch {arguments.batch}: at least 1 is expected")
    trained = find_trained(arguments.run, arguments.checkpoint)
    require_kind(trained, "gan", "only a run of task gan, or its export, can restore")
    work = find_files(source, SUFFIXES, recursive=arguments.recursive, without=out)
    refuse_same(source, out)
    targets = targets_of(source, work.files, out)
    if arguments.skip_existing:
        targets = {path: target for path, target in targets.items() if not os.path.lexists(target)}
    elif not arguments.force:
        refuse_existing(list(targets.values()), "--force replaces them, --skip-existing leaves them as they are")
    if work.passed_over:
        print(f"{work.passed_over} files that are no pictures were passed over")
    if not work.files:
        raise UsageError(f"{source}: no pictures in it", "", "--recursive looks into folders below it")
    return _restore_all(arguments, trained, targets)


def _restore_all(arguments: Namespace, trained: Trained, targets: dict[Path, Path]) -> int:
    quiet_tensorflow()
    from htr_gan.inference.loading import load_restorer

    stop, tally = StopFlag(), Tally()
    stop.listen()
    restorer = load_restorer(trained)
    try:
        for group in in_groups(list(targets), arguments.batch, stop.check):
            _restore_group({path: targets[path] for path in group}, restorer, arguments, tally)
    except StopRequested:
        print(f"stopped; {tally.restored} of {len(targets)} pictures restored")
        return EXIT_STOPPED
    print(f"{tally.restored} of {len(targets)} pictures restored by {restorer.label}")
    if tally.failed:
        sys.stderr.write(f"htr-gan: not restored, for the reasons above: {len(tally.failed)}\n")
    return 1 if tally.failed else 0


def _restore_group(targets: dict[Path, Path], restorer: Restorer, arguments: Namespace, tally: Tally) -> None:
    """Pictures of a group go through the network together."""
    from htr_gan.inference.pictures import load_picture

    pictures: dict[Path, PictureFile] = {}
    for path in targets:
        try:
            picture = load_picture(path)
            restorer.check_shape(picture.pixels.shape[:2], path)
            pictures[path] = picture
        except GanError as error:
            tally.fail(error)
    if not pictures:
        return
    restored = restorer.restore_lines([picture.grey() for picture in pictures.values()], arguments.batch)
    for (path, picture), line in zip(pictures.items(), restored, strict=True):
        try:
            targets[path].parent.mkdir(parents=True, exist_ok=True)
            write_atomic(targets[path], picture.encode(line, keep_colour=arguments.color == "keep"))
            tally.restored += 1
        except (GanError, OSError) as error:
            tally.fail(error)
