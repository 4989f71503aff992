"""`lockstep bench`: its options. Only click is imported here."""

from __future__ import annotations

import click


@click.group()
def bench() -> None:
    """Measure how long proofs take.

    \b
    Example:
      lockstep bench hop
    """


@bench.command()
@click.option(
    "--n",
    "sizes",
    type=click.IntRange(1, 4096),
    multiple=True,
    help="Tokens; several times for several sizes.  [default: 100, 256]",
)
@click.option("--sigma", type=click.IntRange(1, 64), default=4, show_default=True, help="Symbols.")
@click.option("--hops", type=click.IntRange(1, 256), default=16, show_default=True, help="k, the number of hops.")
@click.option("--runs", type=click.IntRange(1, 100), default=3, show_default=True, help="Proofs for the first n and k = HOPS.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    help="Time for replay of every input, at each small n.",
)
@click.option("--write", "write_to", metavar="FILE", help="The table goes between the marks in FILE too.")
def hop(sizes: tuple[int, ...], sigma: int, hops: int, runs: int, seconds: float, write_to: str | None) -> int:
    """Prove that the circuit of Theorem 4.2 computes hop_k.

    For the first n once for all k in 1..HOPS together, then for k = HOPS: at the first n the median of several runs, at the
    others one run. Each run has a process of its own; its time is from the text to the proof, lemmas included. Beside it:
    what replay of every input takes at the largest n where that ends in time.

    \b
    Examples:
      lockstep bench hop
      lockstep bench hop --n 1024 --runs 1
    """
    from checker.commands.hop_times import hop_command

    return hop_command(sizes or (100, 256), sigma, hops, runs, seconds, write_to)


@bench.command()
@click.option("--quick", is_flag=True, help="Rows up to n = 1024, once each, no baselines; exit status 1 for a far miss.")
@click.option("--only", multiple=True, metavar="TEXT", help="Only rows and solvers with TEXT in their names; several times.")
@click.option("--runs", type=click.IntRange(1, 100), default=5, show_default=True, help="Runs of a row; their median counts.")
@click.option("--seconds", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Time for a baseline at one n.")
@click.option("--most", type=click.FloatRange(min=1), default=300.0, show_default=True, help="Seconds at which a row is cut off.")
@click.option("--after", metavar="FILE", help="Rows that are not measured are those of an earlier JSON.")
@click.option("--json", "json_to", metavar="FILE", help="Write every run as JSON to FILE.")
@click.option("--write", "write_to", metavar="FILE", help="The table goes between the marks in FILE too.")
def scale(
    quick: bool,
    only: tuple[str, ...],
    runs: int,
    seconds: float,
    most: float,
    after: str | None,
    json_to: str | None,
    write_to: str | None,
) -> int:
    """Measure proofs about a thousand machines against their targets.

    Beside them, baselines: the same equivalence for a few machines as one formula for z3, for bitwuzla, as SAT for cadical, and
    by numpy on every input. A row that takes more than a tenth of the limit is not run again.

    \b
    Examples:
      lockstep bench scale --quick
      lockstep bench scale --only pointer_doubling --only z3 --seconds 10 --json some.json
      lockstep bench scale --only sort --after some.json
    """
    from checker.commands.scale_times import scale_command

    return scale_command(only, runs, seconds, most, json_to, write_to, quick=quick, after=after)


@bench.command("theorem_3_4")
@click.option(
    "--tokens",
    type=click.IntRange(2, 1024),
    multiple=True,
    help="M, rows of the circuit; several times for several sizes.  [default: 16, 32, 64, 128]",
)
@click.option("--runs", type=click.IntRange(1, 100), default=5, show_default=True, help="Proofs of a size: the median.")
@click.option(
    "--most", type=click.FloatRange(min=1), default=300.0, show_default=True, help="Seconds at which a proof is cut off."
)
@click.option("--json", "json_to", metavar="FILE", help="Write every run as JSON to FILE.")
@click.option("--write", "write_to", metavar="FILE", help="The table goes between the marks in FILE too.")
def theorem_3_4(tokens: tuple[int, ...], runs: int, most: float, json_to: str | None, write_to: str | None) -> int:
    """Measure proofs that the protocol of a circuit simulates it (Theorem 3.4), by the number of machines.

    The circuit has two heads of four coordinates. Beside it: one run of that protocol by replay, on one input. A size that takes
    more than a tenth of the limit is not run again.

    \b
    Example:
      lockstep bench theorem_3_4 --tokens 16 --tokens 32 --runs 3
    """
    from checker.commands.mpc_times import TOKENS, theorem_3_4_command

    return theorem_3_4_command(tokens or TOKENS, runs, most, json_to, write_to)
