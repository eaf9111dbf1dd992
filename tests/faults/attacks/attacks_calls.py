"""Calls that are wrong: paths and ids that mean nothing, or something else than was meant."""

from attacks.ground import Attack

ATTACKS = [
    Attack(
        "predict from a folder that is no store",
        ["predict", "--store", "{foreign}", "--pairs", "{ratings}", "--out", "{folder}/out.csv"],
        status=1,
        says=["champion"],
    ),
    Attack(
        "prune an absent store",
        ["prune", "--store", "{folder}/absent"],
        status=2,
        says=["/absent"],
    ),
]
