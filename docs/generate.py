"""Writes the parts of docs/ that repeat what the code knows. `make docs` runs it; a test compares.

A page holds a block between `<!-- generated: NAME -->` and `<!-- end -->`; what stands outside is written by hand.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_args

DOCS = Path(__file__).parent
BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def recipe_table() -> str:
    """Every recipe field, section by section."""
    from striate.recipe import Recipe, recipe_fields

    lines = []
    for section, info in Recipe.model_fields.items():
        rows = [row for row in recipe_fields() if row[0].startswith(f"{section}.")]
        if not rows:
            continue
        lines += [f"### {section}", "", str(info.description), ""]
        lines += table(
            ("field", "value", "default", "meaning"),
            ((f"`{name}`", kind, _default(default), meaning) for name, kind, default, meaning in rows),
        )
        lines.append("")
    return "\n".join(lines)


def claims_table() -> str:
    """Every claim and what would have to be seen if it were true."""
    from striate.claims import all_claims

    rows = [(str(one.number), f"`{one.name}`", one.sentence, one.meaning) for one in all_claims()]
    return "\n".join(table(("", "name", "the sentence", "if it were true"), rows))


def glossary_terms() -> str:
    """Every term, in the order of the alphabet."""
    from striate.glossary import TERMS

    lines = []
    for term in sorted(TERMS, key=lambda one: one.name.lower()):
        lines += [f"### {term.name}", "", term.text, ""]
        lines += [f"    {term.equation}", ""] if term.equation else []
        more = [f"History: {term.history}" if term.history else ""]
        more += [f"See it: `{term.shown_by}`." if term.shown_by else ""]
        links = ", ".join(f"[{name}](#{name.lower().replace(' ', '-')})" for name in term.related)
        more += [f"Also called: {', '.join(term.also)}." if term.also else "", f"Related: {links}." if links else ""]
        lines += ["  \n".join(part for part in more if part), ""]
    return "\n".join(lines)


def commands_reference() -> str:
    """Every command with its arguments and options."""
    from striate.cli.commands import COMMANDS

    return "\n".join(_command(name, summary) for name, summary in COMMANDS.items())


def networks_table() -> str:
    """The table of networks."""
    from striate.cli.nets import field_words, network_rows, short_count
    from striate.networks import NETWORKS

    rows = []
    for row in network_rows(NETWORKS.names()):
        published = row["published"][0] if row["published"] else None
        rows.append(
            (
                f"`{row['name']}`",
                str(row["year"]),
                row["authors"],
                short_count(row["parameters"]),
                short_count(row["macs"]),
                str(row["depth"]),
                field_words(row["receptive_field_hw"]),
                f"{published['top1']:.2f} % ({published['data']}; {published['source']})" if published else "",
            )
        )
    heads = ("name", "year", "authors", "parameters", "MACs", "depth", "receptive field", "published top-1")
    return "\n".join(table(heads, rows))


def heads_table() -> str:
    """Every head on a network's maps."""
    from striate.networks.heads import HEADS

    rows = (
        (f"`{each.name}`", each.task, each.title, f"{each.paper}. {each.note}")
        for each in sorted(HEADS, key=lambda each: (each.task, each.name))
    )
    return "\n".join(table(("name", "task", "what it does", "paper, and where we differ"), rows))


def formats_table() -> str:
    """Every format that can be read and written."""
    from striate.formats import FORMATS

    rows = (
        (f"`{each.name}`", each.title, ", ".join(each.tasks)) for each in sorted(FORMATS, key=lambda each: each.name)
    )
    return "\n".join(table(("name", "what it is", "tasks"), rows))


def tasks_table() -> str:
    """Every task with the metric that decides."""
    from striate.tasks import TASKS

    rows = ((f"`{each.name}`", each.title, each.headline) for each in sorted(TASKS, key=lambda each: each.name))
    return "\n".join(table(("name", "what it is", "headline metric"), rows))


def makers_table() -> str:
    """Every data set that is made without a download."""
    from striate.data.synthetic import MAKERS

    return "\n".join(table(("name", "what it holds"), ((f"`{each.name}`", each.title) for each in MAKERS)))


def public_sets_table() -> str:
    """Every public data set that can be fetched."""
    from striate.data.public import PUBLIC_SETS

    rows = ((f"`{each.name}`", each.title, f"{each.images:,}") for each in PUBLIC_SETS)
    return "\n".join(table(("name", "what it holds", "pictures"), rows))


def answers_table() -> str:
    """Every kind of files that answers are written as."""
    from striate.runs.answers import ANSWER_WRITERS

    rows = ((f"`{each.name}`", each.title, ", ".join(each.tasks)) for each in ANSWER_WRITERS)
    return "\n".join(table(("`--as`", "what it writes", "tasks"), rows))


def metrics_table() -> str:
    """Every metric with its meaning."""
    from striate.tasks.metric_names import METRICS

    rows = ((info.title, f"`{name}`", info.meaning) for name, info in METRICS.items())
    return "\n".join(table(("metric", "name in JSON", "meaning"), rows))


GENERATORS: dict[str, Callable[[], str]] = {
    "claims": claims_table,
    "glossary": glossary_terms,
    "recipe": recipe_table,
    "commands": commands_reference,
    "networks": networks_table,
    "heads": heads_table,
    "formats": formats_table,
    "tasks": tasks_table,
    "metrics": metrics_table,
    "answers": answers_table,
    "makers": makers_table,
    "public-sets": public_sets_table,
}


def generate(text: str) -> str:
    """A page with all its generated blocks made anew."""
    return BLOCK.sub(lambda match: f"{match[1]}\n{GENERATORS[match[2]]().strip()}\n\n{match[3]}", text)


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A Markdown table."""
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _command(name: str, summary: str) -> str:
    import importlib

    import typer

    from striate.cli.commands import module_name

    function = importlib.import_module(module_name(name)).command
    words, options = [], []
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        if parameter.name == "json":
            # It has the last row, as with every command.
            continue
        hints: list[Any] = [hint for hint in get_args(parameter.annotation)[1:] if hasattr(hint, "param_decls")]
        hint = hints[0]
        if isinstance(hint, type(typer.Argument())):
            word = hint.metavar or parameter.name.upper()
            words.append(word if parameter.default is inspect.Parameter.empty else f"[{word}]")
            options.append((f"`{word}`", hint.help or "", ""))
        else:
            # Inside Annotated, typer keeps the first name given where the default would stand.
            names = [name for name in (hint.default, *hint.param_decls) if str(name).startswith("-")]
            flag = ", ".join(names) or "--" + parameter.name.replace("_", "-")
            value = f" {hint.metavar}" if hint.metavar else ""
            default = "" if parameter.default in (None, False, parameter.empty) else f"`{parameter.default}`"
            options.append((f"`{flag}{value}`", hint.help or "", default))
    options.append(("`--json`", "One JSON document on standard output.", ""))
    text = inspect.getdoc(function) or ""
    prose, _, example = text.partition("\nExample:\n")
    lines = [f"## striate {name}", "", f"{summary}.", "", f"    striate {' '.join([name, *words, '[OPTIONS]'])}", ""]
    lines += [prose.strip(), ""]
    lines += ["Example:", "", *example.splitlines(), ""] if example else []
    return "\n".join([*lines, *table(("argument or option", "meaning", "default"), options), ""])


def _default(value: Any) -> str:
    return "chosen for you" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def main() -> int:
    """Writes every page that holds a generated block."""
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        page.write_text(generate(text), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
