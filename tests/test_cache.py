"""The cache of verdicts: what it is good for, and everything that it must not believe."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest
from test_commands import lockstep

from checker.language.diagnostics import SpecError
from checker.proving import cache as store
from checker.proving.cache import Cache, name_of
from checker.proving.checking import Checker
from checker.proving.passes import How, check_files
from checker.proving.results import Report

TEXT = """
function double(x) = 2 * x;
function half(x) = floor(x / 2);
theorem t for n in 1..3 { claim grows: double(n) >= n; claim odd: n >= 2; }
theorem u for n in 1..3 { claim shrinks: half(n) <= n; }
"""


@pytest.fixture
def cache() -> Cache:
    found = store.opened()
    assert found is not None
    return found


def entries(cache: Cache) -> list[Path]:
    return sorted(p for p in cache.folder.rglob("*") if p.is_file())


def check(path: Path, cache: Cache | None) -> Report:
    return check_files([path], How(cache=cache))


def settled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The claims that are really settled from here on."""
    seen: list[str] = []
    honest = Checker.outcome

    def outcome(self: Checker, claim: object, *more: object) -> object:
        seen.append(claim.name)  # type: ignore[attr-defined]
        return honest(self, claim, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Checker, "outcome", outcome)
    return seen


def test_an_unchanged_file_is_not_even_parsed(tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.lks"
    path.write_text(TEXT)
    first = check(path, cache)
    assert [r.outcome.verdict for r in first.results].count("REFUTED") == 1 and not any(r.cached for r in first.results)
    monkeypatch.setattr("checker.language.parser.parse", None)
    second = check(path, cache)
    assert all(r.cached for r in second.results)
    assert [(r.claim, r.instance, r.outcome.verdict, r.span.line) for r in first.results] == [
        (r.claim, r.instance, r.outcome.verdict, r.span.line) for r in second.results
    ]
    refuted = [r.outcome.witness for report in (first, second) for r in report.results if r.outcome.verdict == "REFUTED"]
    assert refuted[0] == refuted[1] is not None


def test_an_edit_settles_again_only_what_depends_on_it(tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.lks"
    path.write_text(TEXT)
    check(path, cache)
    seen = settled(monkeypatch)
    path.write_text("// moved down by a line\n" + TEXT.replace("floor(x / 2)", "floor((x + 0) / 2)"))
    report = check(path, cache)
    assert seen == ["shrinks"] * 3
    assert [r.cached for r in report.results] == [True] * 6 + [False] * 3
    assert {r.span.line for r in report.results if r.theorem == "t"} == {5}  # where they are now


def test_a_constant_of_a_definition_behind_a_definition_counts(tmp_path: Path, cache: Cache) -> None:
    path = tmp_path / "t.lks"
    text = "function a(x) = x + 1; function b(x) = a(x); theorem t { claim c: b(1) == 2; }"
    path.write_text(text)
    assert [r.outcome.verdict for r in check(path, cache).results] == ["PROVED"]
    path.write_text(text.replace("x + 1", "x + 2"))
    assert [r.outcome.verdict for r in check(path, cache).results] == ["REFUTED"]


def test_what_a_file_is_checked_against_counts(tmp_path: Path, cache: Cache) -> None:
    protocol = (
        "protocol p(n) { word 1; memory 1; machines 1; input x[1] in 0..1; output y[1] in 0..1; message m(0..1);"
        " round r { for k in held(x) { send m(x[k]) to self; } } finish { for m(v) from k in inbox { y[1] = v; } } }"
    )
    mine, other = tmp_path / "mine.lks", tmp_path / "other.lks"
    mine.write_text(protocol + "theorem t for n in 1..1 { let P = p(n); claim c: P computes y[1] == x[1]; }")
    other.write_text(protocol)
    assert check_files([mine], How(cache=cache), against=other).exit_status == 0
    other.write_text(protocol.replace("y[1] = v", "y[1] = 1 - v"))
    report = check_files([mine], How(cache=cache), against=other)
    assert [r.outcome.verdict for r in report.results] == ["REFUTED"]


def test_only_proofs_and_refutations_are_kept(tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.lks"
    path.write_text("theorem t for n in 1..1 { claim a: n == 1; claim b: x * x >= 0 for all real x where x > x; }")
    assert [r.outcome.verdict for r in check(path, cache).results] == ["PROVED", "VACUOUS"]
    seen = settled(monkeypatch)
    assert [r.cached for r in check(path, cache).results] == [True, False] and seen == ["b"]


DAMAGES = ["cut", "bit", "empty", "text", "signature", "other name", "not JSON", "not a result", "a folder"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_nothing_damaged_or_foreign_is_believed(tmp_path: Path, cache: Cache, damage: str) -> None:
    """The claim is false; every entry says that it is proved."""
    path = tmp_path / "t.lks"
    path.write_text(TEXT)
    check(path, cache)
    for file in entries(cache):
        signature, _, text = file.read_bytes().partition(b"\n")
        lie = text.replace(b'"REFUTED"', b'"PROVED"').replace(b'"witness":{', b'"witness":null,"x":{') + b" "
        match damage:
            case "cut":
                file.write_bytes(signature + b"\n" + text[:-7])
            case "bit":
                file.write_bytes(signature + b"\n" + text[:9] + bytes([text[9] ^ 1]) + text[10:])
            case "empty":
                file.write_bytes(b"")
            case "text":
                file.write_bytes(signature + b"\n" + lie)
            case "signature":  # of somebody with another secret
                stranger = Cache(cache.folder, bytes(32))
                stranger.put(file.name, json.loads(lie))
            case "other name":  # an honest entry of another claim
                cache.put("0" * 64, json.loads(text))
                file.write_bytes((cache.folder / "00" / ("0" * 64)).read_bytes())
            case "not JSON":
                file.write_bytes(cache._sign(file.name, b"[1,") + b"\n[1,")
            case "not a result":
                cache.put(file.name, [{"claim": "odd", "verdict": "PROVED"}])
            case "a folder":
                file.unlink()
                file.mkdir()
    report = check(path, cache)
    assert [r.outcome.verdict for r in report.results if r.claim == "odd"] == ["REFUTED", "PROVED", "PROVED"]
    assert not any(r.cached for r in report.results)


def test_another_checker_has_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = name_of("task", "x")
    assert name_of("task", "x") == mine != name_of("task", "y")
    assert name_of("a", "bc") != name_of("ab", "c")
    monkeypatch.setattr(store, "fingerprint", lambda: "another source or another solver")
    assert name_of("task", "x") != mine


def test_the_fingerprint_covers_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "checker" / "proving"
    package.mkdir(parents=True)
    (package / "cache.py").write_text("1")
    monkeypatch.setattr(store, "__file__", str(package / "cache.py"))
    store.fingerprint.cache_clear()
    before = store.fingerprint()
    (tmp_path / "checker" / "rule.py").write_text("2")
    store.fingerprint.cache_clear()
    assert store.fingerprint() != before
    store.fingerprint.cache_clear()


def test_runs_that_share_a_folder_read_whole_entries(cache: Cache) -> None:
    data = [["x" * 50_000, k] for k in range(20)]
    wrong: list[object] = []

    def write() -> None:
        for k in range(60):
            cache.put("ab" * 32, data[k % 20])

    def look() -> None:
        for _ in range(200):
            found = cache.get("ab" * 32)
            if found is not None and found not in data:
                wrong.append(found)

    threads = [threading.Thread(target=f) for f in (write, write, look, look)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong and cache.get("ab" * 32) in data
    assert [p.name for p in entries(cache)] == ["ab" * 32]  # no drafts are left


def test_a_place_that_cannot_be_written_to_is_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert store.opened() is None


def test_a_folder_that_is_gone_or_in_the_way_keeps_nothing(cache: Cache) -> None:
    cache.folder.rmdir()
    cache.folder.write_text("in the way")
    cache.put("ab" * 32, 1)
    assert cache.get("ab" * 32) is None


def test_a_secret_of_another_length_is_none(tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state"
    (state / "lockstep").mkdir(parents=True)
    (state / "lockstep" / "cache_secret").write_bytes(b"short")
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    assert store.opened() is None


def test_the_secret_is_made_once_and_for_its_user_alone(cache: Cache) -> None:
    again = store.opened()
    assert again is not None and again.secret == cache.secret and len(cache.secret) == 32
    state = Path(os.environ["XDG_STATE_HOME"]) / "lockstep"
    assert [p.name for p in state.iterdir()] == ["cache_secret"] and (state / "cache_secret").stat().st_mode & 0o077 == 0


def test_entries_of_other_versions_go_when_they_are_not_used(cache: Cache) -> None:
    old, new = cache.folder.with_name("old"), cache.folder.with_name("new")
    for folder in (old, new):
        folder.mkdir()
    long_ago = time.time() - store.UNUSED - 60
    os.utime(old, (long_ago, long_ago))
    os.utime(cache.folder, (long_ago, long_ago))
    store.opened()
    assert sorted(p.name for p in cache.folder.parent.iterdir()) == sorted([cache.folder.name, "new"])


def test_machines_can_share_a_secret(tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.SECRET, "of the team")
    ours = store.opened()
    assert ours is not None and ours.secret != cache.secret
    ours.put("ab" * 32, 1)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
    again = store.opened()
    assert again is not None and again.get("ab" * 32) == 1 and cache.get("ab" * 32) is None


def test_commands(tmp_path: Path) -> None:
    path = tmp_path / "t.lks"
    path.write_text(TEXT.replace("claim odd: n >= 2;", ""))
    assert "from the cache" not in lockstep("check", str(path)).stdout
    again = lockstep("check", str(path))
    assert "9 proved" not in again.stdout and "6 proved, 6 from the cache: all as expected" in again.stdout
    assert "from the cache" not in lockstep("check", str(path), "--no-cache").stdout
    cleared = lockstep("cache", "clear")
    assert cleared.returncode == 0 and "entries" in cleared.stdout
    assert "from the cache" not in lockstep("check", str(path)).stdout


def test_an_empty_file_to_check_against_is_not_none(tmp_path: Path, cache: Cache) -> None:
    path, nothing = tmp_path / "t.lks", tmp_path / "nothing.lks"
    path.write_text(TEXT)
    nothing.write_text("")
    check(path, cache)
    with pytest.raises(SpecError, match="found none"):
        check_files([path], How(cache=cache), against=nothing)


@pytest.mark.parametrize("what", ["file", "against"])
def test_a_file_that_is_saved_again_while_it_is_read(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """What is proved of the second text is not what is known of the first."""
    protocol = (
        "protocol p(n) { word 1; memory 1; machines 1; input x[1] in 0..1; output y[1] in 0..1; message m(0..1);"
        " finish { y[1] = x[1]; } } theorem t for n in 1..1 { let P = p(n); claim c: P computes y[1] == x[1]; }"
    )
    right, wrong = protocol, protocol.replace("y[1] = x[1];", "y[1] = 0;")
    mine, other = tmp_path / "mine.lks", tmp_path / "other.lks"
    mine.write_text(right)
    path, against = (mine, None) if what == "file" else (other, other)
    path.write_text(wrong)

    def read(found: Path) -> str:
        text = found.read_text()
        if found == path:
            path.write_text(right)
        return text

    with monkeypatch.context() as m:
        m.setattr("checker.proving.passes.read", read)
        m.setattr("checker.elaboration.library.read", read)
        check_files([mine], How(cache=cache), against=against)
    path.write_text(wrong)
    assert [r.outcome.verdict for r in check_files([mine], How(cache=cache), against=against).results] == ["REFUTED"]


def test_the_name_of_a_file_need_not_be_text(tmp_path: Path, cache: Cache) -> None:
    path = tmp_path / os.fsdecode(b"t\xff.lks")
    path.write_text("theorem t { claim c: 1 == 1; }")
    report = tmp_path / "report.json"
    for _ in range(2):
        done = lockstep("check", str(path), "--json", str(report))
        assert done.returncode == 0, done.stderr
        assert json.loads(report.read_text())["results"][0]["place"]["file"] == str(path)
    assert json.loads(report.read_text())["results"][0]["cached"]
