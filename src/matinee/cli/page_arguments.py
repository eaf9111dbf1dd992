"""The verbs `compare`, `report` and `export` with their options."""

from matinee.cli.shared_options import Verb, add_store
from matinee.cli.values import id_
from matinee.ops.folders import path


def add_page_verbs(verb: Verb) -> None:
    """Add the verbs to a command line."""
    _add_compare(verb)
    report = verb("report", "report_verb.report", "Write the report of a release as one HTML file.")
    export = verb(
        "export", "export_verb.export", "Write a release as ONNX models, for programs in other languages."
    )
    for added in (report, export):
        added.add_argument(
            "version", metavar="VERSION", help="name of the release, such as v0002, or `champion`"
        )
        add_store(added)
    report.add_argument(
        "--out", type=path, metavar="OUT.html", help="file for the report (default: report-VERSION.html)"
    )
    export.add_argument(
        "--out", type=path, required=True, metavar="DIR", help="folder for ratings.onnx and lists.onnx"
    )


def _add_compare(verb: Verb) -> None:
    compare = verb(
        "compare",
        "compare_verb.compare",
        "Compare releases or candidates on test rows that none of them was trained on.",
    )
    compare.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="at least two models; each is compared with the first one. A model is the version or the folder of a "
        "release, `champion`, or the first characters of the digest of a candidate or of its evaluation",
    )
    add_store(compare)
    compare.add_argument(
        "--out", type=path, metavar="OUT.html", help="HTML file for the comparison; it opens offline"
    )
    compare.add_argument(
        "--user",
        type=id_,
        nargs="+",
        metavar="ID",
        help="ids of users whose lists are shown (default: some users who liked a movie in the test rows)",
    )
