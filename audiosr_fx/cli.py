"""The command line: every command under one name, every error one line and an exit code."""

from __future__ import annotations

import logging
import os
import signal
from types import FrameType
from typing import Annotated, Any

import typer

from audiosr_fx import __version__
from audiosr_fx.commands import (
    before_after,
    cache,
    doctor,
    evaluate,
    inspect,
    jobs,
    listen,
    models,
    plugins,
    presets,
    render,
    upstream,
)
from audiosr_fx.commands.help_text import HELP_NAMES, FlowingHelp
from audiosr_fx.commands.terminal import EXIT_CODES_HELP, INTERRUPTS, say, translated_errors
from hosts.commands import midi, scripts, send, serve
from watchfolder.commands import watch
from watchfolder.service_commands import app as service


class _Guarded(FlowingHelp):
    """Runs any command below it with errors translated."""

    def invoke(self, ctx: Any) -> Any:
        with translated_errors(debug=bool(ctx.params.get("debug"))):
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Guarded,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": list(HELP_NAMES)},
    epilog=EXIT_CODES_HELP,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"audiosr-fx {__version__}")
        raise typer.Exit


@app.callback()
def top(
    debug: Annotated[bool, typer.Option("--debug", help="Log more, and show where an error arose.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Restore the missing top octaves of dull recordings.

    Start with: [bold]audiosr-fx render dull.wav -o restored.wav[/bold]
    """
    del version
    if debug:
        logging.basicConfig(level=logging.DEBUG, format="%(name)s: %(message)s")


app.command("render")(render.render_files)
app.command("inspect")(inspect.inspect_files)
app.add_typer(models.app, name="models")
app.add_typer(cache.app, name="cache")
app.add_typer(jobs.app, name="jobs")
app.add_typer(plugins.app, name="plugins")
app.add_typer(presets.app, name="presets")
app.command("doctor")(doctor.doctor)
app.command("upstream")(upstream.upstream)
app.command("evaluate")(evaluate.evaluate)
app.command("listen")(listen.listen)
app.command("report")(before_after.report)
app.command("watch")(watch)
app.add_typer(service, name="service")
app.command("serve")(serve.serve)
app.add_typer(send.app, name="send")
app.add_typer(midi.app, name="midi")
app.add_typer(scripts.app, name="hosts")

_PASS_ALL_ON: dict[str, Any] = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}


@app.command("train", context_settings=_PASS_ALL_ON, add_help_option=False)
def train(context: typer.Context) -> None:
    """Train a model; [bold]audiosr-fx train --help[/bold] lists the stages."""
    _run_training(context.args)


def _run_training(arguments: list[str]) -> None:
    """The commands of training live beside it and need torch; they read their own arguments."""
    from audiosr_fx.training.cli import app as training

    training(args=arguments, prog_name="audiosr-fx train")


def main() -> None:
    """Run the command line; all of ``INTERRUPTS`` count as Ctrl-C, so that no half file stays behind."""
    _wait_without_spinning()
    for number in INTERRUPTS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    app()


def _wait_without_spinning() -> None:
    """Let the threads of torch sleep soon when they wait for one that has no core, as beside other programs.

    GNU's OpenMP would spin for milliseconds, on the very core that is needed. What we start inherits this.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
