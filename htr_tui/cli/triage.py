"""`htr-tui triage`: say what failed, of any log file or attempt folder."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htr_tui.cli.output import print_json
from htr_tui.errors import UsageError
from htr_tui.text import clean_text

if TYPE_CHECKING:
    from htr_tui.triage.finding import ExitFacts, Finding, Fix, TriageContext


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a log file or an attempt's folder")
    parser.add_argument("--exit", type=int, metavar="N", help="the exit status (negative or 128+N for a signal)")
    parser.add_argument("--gpu", action="store_true", help="the run asked for a GPU: a missing one is a failure")
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="K=V",
        help="a parameter in force, so that fixes can be concrete",
    )


def run(args: argparse.Namespace) -> int:
    """Classify each path in turn; nothing is printed unless all can be read."""
    from htr_tui.triage.finding import ExitFacts, TriageContext

    for path in args.paths:
        if not path.exists():
            raise UsageError(f"{clean_text(str(path))}: no such file or folder")
    facts = None if args.exit is None else ExitFacts(exit_code=args.exit)
    context = TriageContext(params=dict(_param(text) for text in args.param), gpu_wanted=args.gpu)
    findings = [_classify(path, facts, context) for path in args.paths]
    if args.json:
        print_json({"findings": [finding.as_json() for finding in findings]})
    else:
        print("\n\n".join(_described(finding) for finding in findings))
    return 0


def _classify(path: Path, facts: ExitFacts | None, context: TriageContext) -> Finding:
    from htr_tui.triage.engine import classify_attempt, classify_log

    if path.is_dir():
        known = any((path / name).exists() for name in ("log.txt", "exit.json", "events.jsonl"))
        if not known:
            raise UsageError(
                f"{clean_text(str(path))}: no attempt's folder", "", "it holds neither log.txt nor exit.json"
            )
        finding = classify_attempt(path, facts, context)
    else:
        finding = classify_log(path, facts, context)
    return replace(finding, path=str(path))


def _param(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise UsageError(f"--param {clean_text(text)}: not of the form K=V")
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = value
    return key, parsed if not isinstance(parsed, float) or math.isfinite(parsed) else value


def _described(finding: Finding) -> str:
    lines = [
        f"{clean_text(finding.path)}: {finding.category} ({finding.confidence:.0%})",
        f"  {clean_text(finding.title)}",
    ]
    lines += [f"  {f'line {e.line}' if e.line else 'outside'}: {clean_text(e.text, 300)}" for e in finding.evidence]
    if finding.category != "none":
        lines.append(f"  {clean_text(finding.explanation)}")
    for fix in finding.fixes:
        lines += _fix_lines(fix)
    return "\n".join(lines)


def _fix_lines(fix: Fix) -> list[str]:
    changes = [f"{clean_text(k)}={clean_text(str(v))}" for k, v in {**fix.set, **fix.env}.items()]
    shown = f" ({', '.join(changes)})" if changes else ""
    lines = [f"  fix {fix.name}: {clean_text(fix.title)}{shown}", f"      {clean_text(fix.effect)}"]
    return [*lines, f"      $ {clean_text(fix.command)}"] if fix.command else lines
