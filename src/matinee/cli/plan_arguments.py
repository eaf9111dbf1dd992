"""The verbs `plan` and `settings` with their options."""

from matinee.cli.shared_options import Verb, add_preset, add_settings
from matinee.cli.values import count, fraction


def add_plan(verb: Verb) -> None:
    """Add the verb to a command line."""
    plan = verb(
        "plan",
        "plan_verb.plan",
        "Estimate the memory, disk, network and time of a run before you have the data.",
    )
    for name, letter, what in (
        ("ratings", "N", "ratings"),
        ("users", "U", "users"),
        ("movies", "M", "movies"),
    ):
        plan.add_argument(f"--{name}", type=count, required=True, metavar=letter, help=f"number of {what}")
    plan.add_argument(
        "--hosts",
        type=count,
        default=1,
        metavar="H",
        help="number of hosts that train one model together, with one process each (default 1, at most 32); more than "
        "one host requires the preset fast",
    )
    plan.add_argument(
        "--cores", type=count, metavar="C", help="cores per host (default: those of this machine)"
    )
    plan.add_argument(
        "--memory",
        type=fraction,
        metavar="GB",
        help="memory per host in GB (10^9 bytes; default: that of this machine)",
    )
    plan.add_argument(
        "--measure",
        action="store_true",
        help="measure the speed of this machine again (the first call always measures, and later ones use its result)",
    )
    add_preset(plan)
    add_settings(plan)


def add_settings_verb(verb: Verb) -> None:
    """Add the verb `settings` to a command line."""
    added = verb("settings", "settings_verb.settings", "List the settings with their values and meanings.")
    added.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="settings to describe, such as train.epochs, or sections, such as gate (default: a table of all)",
    )
    add_preset(added)
    add_settings(added)
