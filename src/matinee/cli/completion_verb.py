"""The verb `completion`."""

import argparse
from collections.abc import Mapping
from typing import Final

from matinee.cli import terminal
from matinee.cli.outcome import Outcome
from matinee.errors import ConfigError
from matinee.settings.presets import PRESETS

_Words = Mapping[str, str | dict[str, str]]  # by shell
_FILES: Final = ("PATH", "FILE", ".csv", ".parquet", ".html", ".toml")  # how such a metavar ends
_VERSIONS: Final = {"VERSION", "MODEL", "NAME"}
_RELEASES: Final = {"bash": "_matinee_releases", "zsh": "_matinee_releases"}
# The releases of the store that the line names. Other names in the folder are not taken: bash would run what they hold.
_PREAMBLE: Final = {
    "bash": r"""
_matinee_releases() {
  local store= previous= word
  for word in "${COMP_WORDS[@]}"; do
    [ "$previous" = --store ] && store="${word/#\~/$HOME}"
    previous="$word"
  done
  [ -n "$store" ] && compgen -W "$(ls -- "$store/releases" 2> /dev/null | grep -xE 'v[0-9]+')" -- "$1"
}
""",
    "zsh": r"""
_matinee_releases() {
  local store="${words[${words[(i)--store]}+1]/#\~/$HOME}"
  local -a found=("$store"/releases/v<->(N:t))
  compadd -a found
}
""",
    "fish": "",
}


def completion(call: argparse.Namespace) -> Outcome:
    """Print the completion script of a shell."""
    try:
        import shtab  # noqa: PLC0415 - an extra, which no other verb needs
    except ModuleNotFoundError:
        raise ConfigError(
            "`matinee completion` needs shtab, which is not installed. Install 'matinee[completion]'."
        ) from None
    from matinee.cli.arguments import build_parser  # noqa: PLC0415 - it imports this verb's options

    parser = build_parser()
    _describe(parser, folder=shtab.DIRECTORY, file=shtab.FILE)
    script = shtab.complete(parser, call.shell, preamble=_PREAMBLE[call.shell])
    # The place that bash-completion reads, which is another than the one that shtab names.
    script = script.replace("share/bash_completion/", "share/bash-completion/completions/")
    if not call.json:
        terminal.show_help(script)
    return Outcome({"shell": call.shell, "script": script}, [])


def _describe(parser: argparse.ArgumentParser, *, folder: _Words, file: _Words) -> None:
    """Say of each option what its value is: a file, a folder or a release, in the words of shtab."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                _describe(verb, folder=folder, file=file)
        elif "--preset" in action.option_strings:
            action.choices = tuple(PRESETS)
        else:
            metavar = str(action.metavar or "")
            kinds = (
                (metavar == "DIR" or "--store" in action.option_strings, folder),
                (metavar.endswith(_FILES), file),
                (metavar in _VERSIONS, _RELEASES),
            )
            if complete := next((kind for fits, kind in kinds if fits), None):
                action.complete = complete  # type: ignore[attr-defined] # where shtab looks for it
