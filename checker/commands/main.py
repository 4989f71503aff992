"""The command line. Only click is imported here: what a command needs is imported when it runs."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from checker.commands.benchmarks import bench
from checker.commands.failures import status_of
from checker.reporting.version import VERSION

FILES = click.argument("paths", nargs=-1, metavar="PATH...")
TIMEOUT = click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Time for one obligation of a claim; a worker that takes longer is ended.",
)
JOBS = click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Worker processes.  [default: one a core]")
MEMORY = click.option(
    "--memory", type=click.IntRange(min=16), metavar="MIB", help="Memory for one obligation, beside what its worker holds."
)
AGAINST = click.option("--against", metavar="FILE", help="Take the protocols of the theorems from FILE, not from PATH.")
SCALE = click.option(
    "--scale", type=click.IntRange(min=1), metavar="C", help="Softmax of C times the scores; the circuit's own if not given."
)
QUIET = click.option("-q", "--quiet", is_flag=True, help="Show only what is not as expected, and the summary.")


def part(text: str) -> tuple[int, int]:
    """`I/K` as numbers."""
    left, slash, right = text.partition("/")
    if not (slash and left.isdecimal() and right.isdecimal() and 1 <= int(left) <= int(right)):
        raise click.BadParameter(f"expected I/K with 1 <= I <= K, such as 1/4, found {text}", param_hint="--shard")
    return int(left), int(right)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="lockstep")
def cli() -> None:
    """Check that rounds of MPC protocols and layers of attention circuits compute the same.

    \b
    Exit status: 0 all as expected, 1 a claim came out otherwise, 2 the spec or
    the call is wrong, 3 undecided or vacuous, 4 internal error, 130 interrupted.

    \b
    Example:
      lockstep new parity && lockstep check parity.lks
    """


@cli.command()
@FILES
@AGAINST
@click.option("--json", "json_to", metavar="FILE", help="Write the report as JSON to FILE; - is standard output.")
@click.option("-v", "--verbose", is_flag=True, help="Show proofs, all reasons and all witnesses.")
@TIMEOUT
@MEMORY
@JOBS
@click.option("--no-cache", is_flag=True, help="Prove again what earlier runs have proved, and remember nothing.")
@click.option("--shard", metavar="I/K", help="Only part I of K of the work, for CI; `lockstep merge` joins the reports.")
@click.option("--scheduler", metavar="ADDRESS", help="Send the work to the workers of a Dask scheduler.")
@QUIET
def check(
    paths: tuple[str, ...],
    against: str | None,
    json_to: str | None,
    verbose: bool,
    timeout: float,
    memory: int | None,
    jobs: int | None,
    no_cache: bool,
    shard: str | None,
    scheduler: str | None,
    quiet: bool,
) -> int:
    """Decide every claim in the files.

    A directory stands for all .lks files in it. Without PATH, the specs and proofs that ship with lockstep.

    What is proved or refuted is remembered for as long as the text that it depends on and lockstep itself stay the same.

    \b
    Examples:
      lockstep check parity.lks --json report.json
      lockstep check parity.lks --timeout 10 --memory 1000
      lockstep check --shard 1/4 --json part_1.json
    """
    from checker.commands.checks import check_command, cores
    from checker.proving import cache
    from checker.proving.passes import How

    if scheduler is not None:
        if jobs is not None:
            raise click.UsageError("--jobs does not go with --scheduler")
        from checker.commands.definitions import needed

        needed("distributed", "cluster")
    how = How(
        timeout,
        memory,
        jobs=jobs or cores(),
        scheduler=scheduler,
        shard=None if shard is None else part(shard),
        cache=None if no_cache else cache.opened(),
    )
    return check_command(paths, against, how, json_to, verbose=verbose, quiet=quiet)


@cli.command()
@FILES
@AGAINST
@TIMEOUT
@MEMORY
@JOBS
@QUIET
def test(paths: tuple[str, ...], against: str | None, timeout: float, memory: int | None, jobs: int | None, quiet: bool) -> int:
    """Look for counterexamples only. Never proves anything.

    Exit status 1 if a claim is refuted that is not expected to be.

    \b
    Example:
      lockstep test parity.lks --timeout 5
    """
    from checker.commands.checks import cores, test_command
    from checker.proving.passes import How

    return test_command(paths, against, How(timeout, memory, only_falsify=True, jobs=jobs or cores()), quiet=quiet)


@cli.command()
@click.argument("file")
@click.argument("name")
@click.argument("parameters", nargs=-1, metavar="[K=V]...")
@click.option("--input", "given", required=True, metavar="LIST|random:SEED|all", help="Input words, e.g. 1,0,1.")
@click.option("--trace", is_flag=True, help="Show every round and machine, or every layer and row.")
@click.option("--attention", is_flag=True, help="Show who attends to whom in a circuit; a protocol is compiled first.")
@click.option("--rung", type=click.Choice(["exact", "softmax", "rounded"]), help="Run a circuit on this rung instead of its own.")
@click.option(
    "--backend",
    type=click.Choice(["exact", "numpy"]),
    default="exact",
    show_default=True,
    help="Exact numbers, or floating-point softmax attention with numpy; a protocol is compiled first.",
)
@click.option("--dtype", type=click.Choice(["float64", "float32"]), help="With --backend numpy.  [default: float64]")
@SCALE
def run(
    file: str,
    name: str,
    parameters: tuple[str, ...],
    given: str,
    trace: bool,
    attention: bool,
    rung: str | None,
    backend: str,
    dtype: str | None,
    scale: int | None,
) -> int:
    """Run a protocol or circuit of FILE and print its output words.

    A circuit with fraction bits runs with every head rounded to the nearest.

    \b
    Examples:
      lockstep run parity.lks parity n=4 s=2 p=1 --input 1,0,1,1 --trace
      lockstep run parity.lks parity n=3 s=2 p=1 --input all
      lockstep run parity.lks parity n=4 s=2 p=1 --input 1,0,1,1 --attention --rung exact
      lockstep run parity.lks parity n=3 s=2 p=1 --input all --backend numpy
    """
    from checker.commands.runs import FloatOptions, Shown, run_command

    if backend == "exact" and (dtype is not None or scale is not None):
        raise click.UsageError("--dtype and --scale go with --backend numpy")
    if backend == "numpy" and rung is not None:
        raise click.UsageError("--rung goes with --backend exact")
    floats = None if backend == "exact" else FloatOptions(dtype or "float64", scale)
    return run_command(file, name, parameters, given, Shown(trace, attention), floats, rung)


@cli.command("compile")
@click.argument("file")
@click.argument("name")
@click.argument("parameters", nargs=-1, metavar="[K=V]...")
@click.option("--to", "target", type=click.Choice(["circuit", "protocol"]), help="[default: what NAME is not]")
@click.option("--memory", type=click.IntRange(min=1), metavar="S", help="Words a machine of a protocol.  [default: the least]")
@click.option("--layout", type=click.Choice(["lean", "printed"]), default="lean", show_default=True, help="Of a protocol.")
@click.option("--address", type=click.IntRange(min=0), default=0, show_default=True, help="Words that an address costs.")
@click.option("--selector", metavar="NAME", help="How messages share packets: paper, kautz-singleton, identity or best.")
@click.option("--embedding", metavar="NAME", help="How machines are told apart: hadamard, moment, sign or best.")
@click.option("--clear", metavar="NAME", help="What takes the old row away: head, fresh (coordinates for every layer) or none.")
@click.option("--final", metavar="NAME", help="The last local function: separate (a layer of its own) or fused (L = R).")
@click.option("-o", "output", metavar="FILE", help="Write to FILE instead of standard output.")
def compile_(
    file: str,
    name: str,
    parameters: tuple[str, ...],
    target: str | None,
    memory: int | None,
    layout: str,
    address: int,
    selector: str | None,
    embedding: str | None,
    clear: str | None,
    final: str | None,
    output: str | None,
) -> int:
    """Compile a protocol to an attention circuit (Theorem 3.1), or a circuit to a protocol (Theorem 3.4).

    Prints both and a theorem that says they compute the same. The text can be checked. A protocol compiled --to protocol goes
    there and back. Layouts of protocols: printed, as in the paper, or lean, with fewer words and rounds.

    \b
    Examples:
      lockstep compile parity.lks parity n=4 s=2 p=1 --to circuit -o compiled.lks
      lockstep check compiled.lks --against parity.lks
      lockstep compile parity.lks parity n=4 s=2 p=1 --clear fresh --final fused
      lockstep compile parity.lks parity n=4 s=2 p=1 --to protocol -o back.lks
    """
    from checker.commands.writing import Target, compile_command

    options = {"selector": selector, "embedding": embedding, "clear": clear, "final": final}
    return compile_command(file, name, parameters, options, Target(target, memory, layout, address), output)


@cli.command()
@click.argument("file")
@click.argument("name")
@click.argument("parameters", nargs=-1, metavar="[K=V]...")
@click.option("--to", "target", type=click.Choice(["torch"]), default="torch", show_default=True)
@SCALE
@click.option("-o", "output", metavar="FILE", help="Write to FILE instead of standard output.")
def export(file: str, name: str, parameters: tuple[str, ...], target: str, scale: int | None, output: str | None) -> int:
    """Write a circuit as a Python file of its own that runs on PyTorch.

    The file needs PyTorch and nothing else. A protocol is compiled first.

    \b
    Example:
      lockstep export parity.lks parity n=4 s=2 p=1 --to torch -o parity_module.py
      python parity_module.py 1,0,1,1
    """
    from checker.commands.writing import export_command

    return export_command(file, name, parameters, scale, output)


@cli.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--check", "only_check", is_flag=True, help="Print nothing; exit status 1 if a file would change.")
@click.option("-w", "--write", is_flag=True, help="Rewrite the files. Refused for a file with comments in its body.")
def fmt(files: tuple[str, ...], only_check: bool, write: bool) -> int:
    """Print files in the standard form.

    Comments above the first definition are kept, others are not.

    \b
    Example:
      lockstep fmt parity.lks
    """
    from checker.commands.writing import fmt_command

    return fmt_command(files, only_check, write)


@cli.command()
@click.argument("name")
@click.option("-o", "output", metavar="FILE", help="Where to write; NAME.lks if not given.")
def new(name: str, output: str | None) -> int:
    """Write a small protocol with a theorem about it, to start from.

    \b
    Example:
      lockstep new parity && lockstep check parity.lks
    """
    from checker.commands.writing import new_command

    return new_command(name, output)


@cli.command()
@click.option("--constructions", is_flag=True, help="The widths that each selector (Fact B.2) and embedding (Prop. B.1) gives.")
@click.option("--machines", metavar="LIST", help="Numbers of machines N.  [default: 4,8,16]")
@click.option("--messages", metavar="LIST", help="Messages of one word a machine, s.  [default: 1,2,3]")
@click.option("--floats", is_flag=True, help="The sizes from which compiled circuits are too large for floating point.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), help="With --floats.  [default: float32]")
@click.option("--limit", type=click.IntRange(1, 1000), help="With --floats: the largest size tried, in every series.")
@click.option("--round-trip", is_flag=True, help="Sizes of protocols, their circuits, and these circuits' protocols.")
@click.option(
    "--write", "write_to", metavar="FILE", help="With --floats, --round-trip: the table goes into FILE too, between marks."
)
@click.option("--json", "json_to", metavar="FILE", help="Write JSON to FILE; - is standard output.")
def bounds(
    constructions: bool,
    machines: str | None,
    messages: str | None,
    floats: bool,
    dtype: str | None,
    limit: int | None,
    round_trip: bool,
    write_to: str | None,
    json_to: str | None,
) -> int:
    """Count what the constructions of the paper cost, or find where floating point ends.

    With --round-trip, for the instances of proofs/round_trip.lks: a protocol, its circuit (Theorem 3.1), and the protocol of
    that (Theorem 3.4).

    With --floats, for a few series of circuits at the scale that the compiler states: the least size for which a bound on all
    rounding errors promises nothing, and the least size with a wrong word on some fixed inputs. The prediction comes first,
    wrong words later. p' is the precision in bits that the compiler chose for the circuit.

    \b
    Examples:
      lockstep bounds --constructions --machines 4,16 --messages 2
      lockstep bounds --floats --dtype float32
      lockstep bounds --round-trip
    """
    if round_trip:
        if constructions or floats or (machines, messages, dtype, limit) != (None,) * 4:
            raise click.UsageError("--round-trip goes with --write and --json only")
        from checker.commands.round_trips import round_trip_command

        return round_trip_command(json_to, write_to)
    if floats:
        if constructions or machines is not None or messages is not None:
            raise click.UsageError("--constructions, --machines and --messages do not go with --floats")
        from checker.commands.float_borders import floats_command

        return floats_command(dtype or "float32", limit, json_to, write_to)
    from checker.commands.constructions import bounds_command

    if dtype is not None or limit is not None or write_to is not None:
        raise click.UsageError("--dtype and --limit go with --floats, --write with --floats or --round-trip")
    machines = "4,8,16" if machines is None else machines
    messages = "1,2,3" if messages is None else messages
    return bounds_command(machines, messages, json_to, constructions=constructions)


cli.add_command(bench)


@cli.group()
def cache() -> None:
    """The verdicts that `lockstep check` remembers.

    They lie in the user's cache directory (XDG_CACHE_HOME). They are signed with a secret of the user; machines that trust each
    other's entries, such as those of a CI, can share one in LOCKSTEP_CACHE_SECRET.

    \b
    Example:
      lockstep cache clear
    """


@cache.command()
def clear() -> int:
    """Forget all verdicts.

    \b
    Example:
      lockstep cache clear
    """
    from checker.proving import cache as store

    count, size = store.clear()
    click.echo(f"{count:,} entries of {size / 2**20:.1f} MiB deleted from {store.folder()}")
    return 0


@cli.command()
@click.argument("reports", nargs=-1, required=True, metavar="REPORT...")
@click.option("--json", "json_to", metavar="FILE", help="Write the whole report as JSON to FILE; - is standard output.")
@click.option("-v", "--verbose", is_flag=True, help="Show proofs, all reasons and all witnesses.")
@QUIET
def merge(reports: tuple[str, ...], json_to: str | None, verbose: bool, quiet: bool) -> int:
    """Join the JSON reports of all parts of a run (`lockstep check --shard`) into the report of the whole.

    They must be all parts, each once, of the same files by the same version. The exit status is that of the whole run.

    \b
    Example:
      lockstep merge part_1.json part_2.json --json report.json
    """
    from checker.commands.merging import merge_command

    return merge_command(reports, json_to, verbose=verbose, quiet=quiet)


@cli.command()
@click.argument("report")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--write", "write_to", metavar="FILE", help="The tables go between the marks in FILE instead.")
def table(report: str, paths: tuple[str, ...], write_to: str | None) -> int:
    """Tables of the results that files are about, from a JSON report.

    Each file begins with comments: `// Result: ...` names the result of the paper, `// Printed: ...` says what the printed
    text got wrong and `// Repair: ...` how it is repaired. REPORT must have the claims of the files as they are now.

    \b
    Example:
      lockstep check proofs --json report.json
      lockstep table report.json proofs --write proofs/README.md
    """
    from checker.commands.result_tables import table_command

    return table_command(report, paths, write_to)


def _invoke(arguments: list[str]) -> int:
    with cli.make_context("lockstep", arguments) as context:
        status = cli.invoke(context)
    sys.stdout.flush()
    return status if isinstance(status, int) else 0


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    status = status_of(_invoke, sys.argv[1:] if arguments is None else arguments)
    try:
        sys.stdout.flush()
    except OSError:  # the reader of a pipe is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)
