"""`doctor`: why it does not work here, and what to type."""

import shlex
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Final

import click
import msgspec

from core.errors import ConfigError
from infra.cli.doctor_logins import worker_reading
from infra.config import Settings, drop_sdk_settings
from infra.doctor.examination import examine
from infra.doctor.finding import Finding, Verdict, failed
from infra.doctor.room import Room
from infra.version import code_version

_WIDTH: Final = max(len(verdict) for verdict in Verdict)
_STYLES: Final = {Verdict.FAILED: "red", Verdict.WARNING: "yellow", Verdict.OK: "green"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--offline", is_flag=True, help="Ask no broker.")
@click.option(
    "--serve-command",
    default="",
    metavar="TEXT",
    help="Start this command line instead of our own `serve`, as a client would.",
)
def doctor(as_json: bool, offline: bool, serve_command: str) -> None:
    """Check everything that keeps people's servers from working, and say what mends it.

    Exit code 1 when something failed. Prints no key, no token and no account's number.
    """
    findings = []
    for finding in _findings(is_offline=offline, serve_command=serve_command):
        findings.append(finding)
        if not as_json:
            _show(finding)
    counts = {verdict: _count(findings, verdict) for verdict in Verdict}
    if as_json:
        report = {"version": code_version(), "counts": counts, "findings": findings}
        click.echo(msgspec.json.format(msgspec.json.encode(report)))
    else:
        click.echo(", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count))
    if counts[Verdict.FAILED]:
        click.get_current_context().exit(1)


def complaint_about(arguments: list[str]) -> str:
    """Return what our command line says of a client's arguments; empty when they start `serve`."""
    from infra.cli.__main__ import main

    if any("\0" in word for word in arguments):
        return "expected words without a zero byte"
    try:
        # Some options answer at once, on stdout, where a report is being written.
        with (
            redirect_stdout(StringIO()),
            main.make_context("tiger-mcp", list(arguments), resilient_parsing=False) as context,
        ):
            words = [*context._protected_args, *context.args]
            name, command, rest = main.resolve_command(context, words)
            if name != "serve" or command is None:
                return "expected serve"
            command.make_context(name, rest, parent=context)
    except click.exceptions.NoArgsIsHelpError:
        return "expected serve"
    except click.ClickException as error:
        return error.format_message()
    except click.exceptions.Exit:
        return "expected serve"
    return ""


def _findings(*, is_offline: bool, serve_command: str) -> Iterable[Finding]:
    try:
        settings: Settings = click.get_current_context().obj()
    except ConfigError as error:
        mend = "mend or unset it; .env.example names every setting"
        return [failed("settings", str(error), mend=mend)]
    room = Room(
        settings=settings,
        user_home=Path.home(),
        project=Path.cwd(),
        now=datetime.now(UTC),
        is_offline=is_offline,
    )
    try:
        words = shlex.split(serve_command, posix=sys.platform != "win32")
    except ValueError as error:
        raise click.BadParameter(
            f"expected a command line as a shell takes it, was {error}",
            param_hint="--serve-command",
        ) from None
    # The SDK would take them over what the home says.
    drop_sdk_settings()
    return examine(room, complaint=complaint_about, reading=worker_reading(), serve_command=words)


def _show(finding: Finding) -> None:
    verdict = click.style(finding.verdict.ljust(_WIDTH), fg=_STYLES.get(finding.verdict))
    click.echo(f"{verdict}  {finding.check}: {finding.seen}")
    if finding.mend:
        click.echo(f"{' ' * _WIDTH}    -> {finding.mend}")


def _count(findings: Iterable[Finding], verdict: Verdict) -> int:
    return sum(finding.verdict is verdict for finding in findings)
