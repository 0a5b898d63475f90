"""`ddx`: the commands, and the one place where their errors become a line and an exit status.

Exit status: 0 done; 1 no row of a table was answered, with --check some can't be, or a report or a store that was
verified is not what it was; 2 bad input or options; 130 interrupted.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ddx.differential import NOTICE
from ddx.errors import DdxError


class _Group(TyperGroup):
    """Runs a command; an error that a user can meet is printed as one line, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except DdxError as error:
            message = " ".join(str(error).split())
        except KeyboardInterrupt:
            typer.echo("ddx: interrupted", err=True)
            raise typer.Exit(130) from None
        except BrokenPipeError:  # `ddx … | head`: the reader has seen enough
            raise
        except OSError as error:
            message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        typer.echo(f"ddx: {message}", err=True)
        raise typer.Exit(2)


app = typer.Typer(
    cls=_Group,
    name="ddx",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help=f"A case in, a ranked and calibrated differential out. {NOTICE}",
)


def _print_version(asked: bool) -> None:
    if asked:
        from ddx.cli.version import version_lines

        typer.echo("\n".join(version_lines()))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print versions.")
    ] = False,
) -> None:
    pass


# ---------------------------------------------------------------------------------------------------------
# Commands. Modules under ddx/cli import only typer and the ground at the top; whatever is heavy (torch,
# transformers, pyarrow, ddx.model, …) is imported inside the command's function, to keep `ddx --help` fast.
# ---------------------------------------------------------------------------------------------------------
from ddx.cli import audit, calibrate, compare, data, limit, models, predict, reward, score, stability, train, verify  # noqa: E402
from ddx.cli import eval as evaluation  # noqa: E402
from ddx.cli.bench import bench  # noqa: E402
from ddx.cli.explain import explain  # noqa: E402
from ddx.cli.promise import promise  # noqa: E402
from ddx.cli.serve import serve  # noqa: E402

app.command("predict")(predict.predict)
app.command("explain")(explain)
app.command("score")(score.score)
app.command("serve")(serve)
app.add_typer(data.app, name="data")
app.add_typer(models.app, name="models")
app.add_typer(audit.app, name="audit")
app.command("train")(train.train)
app.command("calibrate")(calibrate.calibrate)
app.command("promise")(promise)
app.command("eval")(evaluation.evaluate)
app.command("compare")(compare.compare)
app.command("reward")(reward.reward)
app.command("verify")(verify.verify)
app.command("stability")(stability.stability)
app.command("limit")(limit.limit)
app.command("bench")(bench)
