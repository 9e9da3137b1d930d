"""The `tiger-mcp` command; a subcommand is imported when it is called, so that `serve` is fast."""

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from core.errors import ServiceError
from infra.config import load_settings

# Name -> module and attribute.
COMMANDS: Final[dict[str, str]] = {
    "serve": "infra.cli.serve:serve",
    "up": "infra.cli.cluster:up",
    "down": "infra.cli.cluster:down",
    "status": "infra.cli.cluster:status",
    "logs": "infra.cli.process_logs:logs",
    "halt": "infra.cli.control:halt",
    "resume": "infra.cli.control:resume",
    "release": "infra.cli.control:release",
    "adopt": "infra.cli.control:adopt",
    "events": "infra.cli.events:events",
    "account": "infra.cli.account:account",
    "doctor": "infra.cli.doctor:doctor",
    "token": "infra.cli.tokens:token",
    "nats": "infra.cli.server_config:nats",
    "sandbox": "infra.cli.programs:sandbox",
    "demo": "infra.cli.programs:demo",
    "bench": "infra.cli.programs:bench",
}


class LazyGroup(click.Group):
    """Knows the names of its commands and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a foreseen error becomes one sentence and exit code 1."""
        try:
            return super().invoke(ctx)
        except ServiceError as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            # Whoever read the output has seen enough.
            raise
        except OSError as error:
            raise click.ClickException(
                f"the system refused: {error}; mend that and try again"
            ) from error


def _show_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        from infra.version import code_version

        click.echo(f"tiger-mcp {code_version()}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the installation [default: TIGER_MCP_HOME or ~/.tiger-mcp].",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and end.",
)
@click.pass_context
def main(ctx: click.Context, home: Path | None) -> None:
    """Trade and watch Tiger Brokers accounts from Claude, with a record that can be checked."""
    # Read when a command begins, so that `--help` works in spite of a bad setting.
    ctx.obj = partial(load_settings, home=home)


if __name__ == "__main__":
    main()
