"""The command `matinee`: it runs one verb and returns its exit status.

Slow imports are inside functions, so that Ctrl-C prints one line from the start on.
"""

import sys
from collections.abc import Sequence

_STOPPED = "Stopped. Finished steps are kept; the same command continues from there."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        arguments: The words after `matinee`; those of the process if None.

    Returns:
        The exit status: 0 done, 1 failed, 2 the call is wrong, 3 the input is refused, 4 the candidate is held,
        130 after Ctrl-C, 143 after SIGTERM.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        from matinee.cli.operations import OPERATIONS, operate
        from matinee.cli.terminal import attended, leave_to_the_system, open_closed_streams

        if words and words[0] in OPERATIONS:
            open_closed_streams()
            return operate(words[0], words[1:])
        with attended():
            status = _answer(words)
        if arguments is None:
            leave_to_the_system()
    except KeyboardInterrupt as error:
        return _stopped(error, verbose="--verbose" in words, as_json="--json" in words)
    return status


def _answer(words: Sequence[str]) -> int:
    """Run a verb and print its outcome, or one paragraph with the reason of its failure."""
    from matinee.cli import terminal
    from matinee.cli.arguments import parse
    from matinee.cli.outcome import UNLOGGED

    verbose, as_json = "--verbose" in words, "--json" in words
    try:
        try:
            call = parse(words)
            from matinee.cli.progress_line import showing
            from matinee.store import progress

            terminal.log_to_terminal(verbose=verbose, quiet=call.quiet or call.verb in UNLOGGED)
            with showing(quiet=call.quiet or call.verb == "serve", plain=verbose):
                progress.begin(call.verb)
                outcome = call.run(call)
            terminal.report(outcome, as_json=as_json, quiet=call.quiet)
            return int(outcome.status)
        except (terminal.StdoutError, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 - the last line of defence: one paragraph, never a bare traceback
            terminal.raise_if_stopped(error)
            return terminal.report_failure(error, verbose=verbose, as_json=as_json)
    except terminal.StdoutError as error:
        return terminal.report_stdout_failure(error)
    except BrokenPipeError:  # the reader of the output, such as `head`, has ended
        return 1


def _stopped(error: KeyboardInterrupt, *, verbose: bool, as_json: bool) -> int:
    """Print that the command was stopped. Only the standard library is used, as other imports may be incomplete."""
    message = getattr(error, "message", _STOPPED)
    try:
        if verbose:
            import traceback

            traceback.print_exception(error)
        print(f"matinee: {message}", file=sys.stderr, flush=True)
        if as_json:
            print(f'{{"error": "{message}", "kind": "{type(error).__name__}"}}', flush=True)
    except (OSError, ValueError, KeyboardInterrupt):
        pass  # the output is closed
    return int(getattr(error, "status", 130))
