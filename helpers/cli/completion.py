"""`./course completion SHELL`: a script by which a shell completes verbs, options and names."""

import argparse

from helpers.cli.table import VERBS, every_verb
from helpers.cli.verbs import Group

_HEAD = {"bash": "", "zsh": "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n"}
_SCRIPT = """\
# Completes ./course; written by `./course completion {shell}`.
{head}_course() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" words="" options="--help"
    case "$COMP_CWORD ${{COMP_WORDS[1]}} ${{COMP_WORDS[2]}}" in
        "1 "*) words="{verbs}" ;;
{cases}
    esac
    case "$word" in -*) words="$options" ;; esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _course course ./course
"""


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    print(script(options.shell), end="")
    return 0


def script(shell: str) -> str:
    """Return the script of a shell; where it has no word to offer, the shell offers files."""
    groups = {name: entry.verbs for name, entry in VERBS.items() if isinstance(entry, Group)}
    cases = [f'"2 {name} "*) words="{" ".join(verbs)}" ;;' for name, verbs in groups.items()]
    cases.append(f'"2 help "*) words="{" ".join(VERBS)}" ;;')
    for name, verb in every_verb().items():
        parser = verb.parser(name)
        pattern = f'*" {name}"' if " " in name else f'*" {name} "*'
        cases.append(f'{pattern}) words="{" ".join(parser.values())}" options="{" ".join(parser.options())}" ;;')
    return _SCRIPT.format(
        shell=shell, head=_HEAD[shell], verbs=" ".join(VERBS), cases="\n".join(f"        {case}" for case in cases)
    )
