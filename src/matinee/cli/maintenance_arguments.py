"""Options of `backup`, `restore`, `migrate`, `alerts`, `doctor` and `completion`."""

from matinee.cli.shared_options import Verb, add_store
from matinee.ops.environment import WEBHOOK
from matinee.ops.folders import store_path


def add_maintenance_verbs(verb: Verb) -> None:
    """Add the verbs to a command line."""
    _add_copies(verb)
    alerts = verb(
        "alerts",
        "maintenance_verbs.alerts",
        "Create or remove alerts: the Prefect server notifies you when a scheduled run fails, hangs or is late, when "
        "the gate holds the candidate of a scheduled run, or when a file is refused.",
    )
    alerts.add_argument("action", choices=["apply", "remove"], help="create the alerts, or remove them")
    to = alerts.add_mutually_exclusive_group()
    to.add_argument("--webhook", metavar="URL", help=f"address to notify (default: {WEBHOOK}, if it is set)")
    to.add_argument(
        "--block", metavar="TYPE/NAME", help="existing notification or webhook block of the Prefect server"
    )
    completion = verb(
        "completion",
        "completion_verb.completion",
        "Print a shell script that completes verbs and options.",
    )
    completion.add_argument("shell", choices=["bash", "zsh", "fish"], help="the shell")
    doctor = verb(
        "doctor",
        "maintenance_verbs.doctor",
        "Check the versions of the packages, the device, the clock, the Prefect server and a store.",
    )
    doctor.add_argument("--store", type=store_path, metavar="DIR", help="store to check")


def _add_copies(verb: Verb) -> None:
    backup = verb("backup", "maintenance_verbs.backup", "Copy a store, even while runs use it.")
    add_store(backup)
    backup.add_argument(
        "--out",
        type=store_path,
        required=True,
        metavar="DIR",
        help="destination: a folder, or an address in an object store. It must be new, empty or an earlier backup",
    )
    migrate = verb(
        "migrate",
        "migrate_verb.migrate",
        "Update the file formats of a store to this version, and report what the next run will compute again.",
    )
    add_store(migrate)
    migrate.add_argument("--dry-run", action="store_true", help="change nothing, report only")
    restore = verb("restore", "maintenance_verbs.restore", "Copy a backup to a new store.")
    restore.add_argument(
        "--from",
        type=store_path,
        required=True,
        dest="source",
        metavar="DIR",
        help="backup to restore: a folder, or an address in an object store",
    )
    restore.add_argument(
        "--store",
        type=store_path,
        required=True,
        metavar="DIR",
        help="folder of the new store, or its address in an object store; it must be new or empty",
    )
