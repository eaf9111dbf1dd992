"""The command `matinee`: one verb a flow, or a look at the store.

Nothing is imported up here that takes time, so that Ctrl-C gets its one line from the first moment on.
"""

import sys
from collections.abc import Sequence

_STOPPED = "Stopped. What was finished is kept: the same command goes on from there."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status: 0 done, 1 failed, 2 the call is wrong, 3 the input is refused, 4 held.

    130 after Ctrl-C and 143 after SIGTERM, each with one line.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        from matinee.cli.operations import OPERATIONS, operate

        if words and words[0] in OPERATIONS:
            return operate(words[0], words[1:])
        from matinee.cli.terminal import attended, leave_to_the_system

        with attended():
            status = _answer(words)
        if arguments is None:
            leave_to_the_system()
    except KeyboardInterrupt as error:
        return _stopped(error, verbose="--verbose" in words, as_json="--json" in words)
    return status


def _answer(words: Sequence[str]) -> int:
    """Run a verb and tell its outcome, or in one paragraph why there is none."""
    from matinee.cli import terminal
    from matinee.cli.arguments import parse
    from matinee.cli.verbs import QUIET

    verbose, as_json = "--verbose" in words, "--json" in words
    try:
        try:
            call = parse(words)
            terminal.log_to_terminal(verbose=verbose, quiet=call.verb in QUIET)
            outcome = call.run(call)
            terminal.tell(outcome, as_json=as_json)
            return int(outcome.status)
        except (terminal.UnheardError, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 - the last line of defence: one paragraph, never a bare traceback
            return terminal.tell_failure(error, verbose=verbose, as_json=as_json)
    except terminal.UnheardError as error:
        return terminal.tell_unheard(error)
    except BrokenPipeError:  # whoever read the output has enough of it
        return 1


def _stopped(error: KeyboardInterrupt, *, verbose: bool, as_json: bool) -> int:
    """Say that the command was ended from outside; with what Python brings, as anything else may not be imported."""
    message = getattr(error, "message", _STOPPED)
    try:
        if verbose:
            import traceback

            traceback.print_exception(error)
        print(f"matinee: {message}", file=sys.stderr, flush=True)
        if as_json:
            print(f'{{"error": "{message}", "kind": "{type(error).__name__}"}}', flush=True)
    except (OSError, ValueError, KeyboardInterrupt):
        pass  # nobody listens
    return int(getattr(error, "status", 130))
