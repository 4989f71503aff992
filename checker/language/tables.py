"""The parser's LALR tables as data: `grammar/tables.json`, made from `grammar/lockstep.lark` by `make tables`.

To build the tables takes ten times as long as to read them. The file is shipped, not kept in a cache that something else could
write to; it holds plain data, with names in the place of lark's numbers, and is used only if it was made from this grammar and
by this version of lark.
"""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from typing import Any

import lark
from lark import Lark
from lark.grammar import Rule
from lark.lexer import TerminalDef

from checker.language.resources import data_folder


def grammar() -> str:
    return (data_folder("grammar") / "lockstep.lark").read_text(encoding="utf-8")


def build(**options: Any) -> Lark:
    """The parser from the grammar."""
    return Lark(grammar(), parser="lalr", maybe_placeholders=True, **({"propagate_positions": True} | options))


@cache
def parser() -> Lark:
    """The parser, from its tables if they are those of the grammar."""
    return _parser()


def building(transformer: object) -> Lark:
    """A parser that knows no places, and applies the methods of a transformer, one a rule, while it reads."""
    return _parser(propagate_positions=False, transformer=transformer)


def _parser(**options: Any) -> Lark:
    try:
        saved = json.loads((data_folder("grammar") / "tables.json").read_text(encoding="utf-8"))
        if saved["of"] == _source():
            return _from(saved, **options)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return build(**options)


def _source() -> str:
    """What the tables depend on."""
    return sha256(f"lark {lark.__version__}\n{grammar()}".encode()).hexdigest()


def _from(saved: dict[str, Any], **options: Any) -> Lark:
    names, states = saved["tokens"], dict(enumerate(saved["states"]))
    data = saved["data"]
    data["parser"]["parser"] |= {"tokens": {name: name for name in names}, "states": states}
    loaded: Lark = Lark._load_from_dict(data, dict(enumerate(saved["memo"])), **options)  # `Lark.load` takes no options
    return loaded


def text_of(parser: Lark) -> str:
    """The file for a parser. The same for the same grammar: lark numbers states and rules by the order of sets."""
    data, memo = parser.memo_serialize([TerminalDef, Rule])
    for entry in memo.values():
        if "pattern" in entry:
            entry["pattern"]["_width"] = None  # it depends on Python's version, and lark finds it again
    written = {number: json.dumps(entry, sort_keys=True) for number, entry in memo.items()}
    number_of = {old: new for new, old in enumerate(sorted(memo, key=lambda number: written[number]))}
    table = data["parser"]["parser"]
    tokens: dict[int, str] = table["tokens"]
    old_states: dict[int, dict[int, tuple[int, Any]]] = table["states"]
    order = list(table["start_states"].values())
    found = {old: new for new, old in enumerate(order)}
    states: list[dict[str, tuple[int, Any]]] = []
    for old in order:  # it grows: the states in the order in which they are reached
        states.append({})
        for token, (reduces, target) in sorted(old_states[old].items(), key=lambda item: tokens[item[0]]):
            if not reduces and target not in found:
                found[target] = len(order)
                order.append(target)
            states[-1][tokens[token]] = (reduces, {"@": number_of[target["@"]]} if reduces else found[target])
    data = _renumbered(data, number_of)
    ends = ("start_states", "end_states")
    data["parser"]["parser"] = {**table, **{end: {name: found[x] for name, x in table[end].items()} for end in ends}}
    del data["parser"]["parser"]["tokens"], data["parser"]["parser"]["states"]
    lines = ",\n".join(json.dumps(state) for state in states)
    entries = ",\n".join(written[number] for number in number_of)
    head = f'"of": {json.dumps(_source())},\n"tokens": {json.dumps(sorted(tokens.values()))},\n"data": {json.dumps(data)}'
    return f'{{{head},\n"memo": [\n{entries}\n],\n"states": [\n{lines}\n]}}\n'


def _renumbered(node: Any, number_of: dict[int, int]) -> Any:
    """References to rules and terminals by their new numbers; lists of them in that order."""
    if isinstance(node, dict):
        if node.keys() == {"@"}:
            return {"@": number_of[node["@"]]}
        return {key: _renumbered(value, number_of) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        changed = [_renumbered(value, number_of) for value in node]
        references = all(isinstance(x, dict) and x.keys() == {"@"} for x in changed)
        return sorted(changed, key=lambda x: x["@"]) if references else changed
    return node


if __name__ == "__main__":
    print(text_of(build()), end="")
