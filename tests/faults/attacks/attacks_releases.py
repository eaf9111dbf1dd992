"""Releases that differ from what was published, or that are impossible: a manifest alone proves nothing."""

import numpy as np
from attacks.changed_releases import (
    array,
    changed,
    changed_json,
    claim,
    endless,
    fewer_users,
    huge_shape,
    keys,
    linked_folder,
    list_file,
    lying_header,
    pickle,
    point,
    release,
    signed_and_changed,
    swap,
    table,
    weights,
    wrong_column,
)
from attacks.ground import Attack

PREDICT = ["predict", "--store", "{store}", "--pairs", "{ratings}", "--out", "{folder}/out.csv"]
SIMILAR = ["similar", "--store", "{store}", "--movie", "1"]
RECOMMEND = ["recommend", "--store", "{store}", "--user", "1", "--out", "{folder}/out.parquet"]
RELEASES = ["releases", "--store", "{store}"]
VERIFY = [*RELEASES, "--verify"]
PROMOTE = ["promote", "--store", "{store}", "v0001"]
ROLLBACK = ["rollback", "--store", "{store}"]
PRUNE = ["prune", "--store", "{store}"]
SIGNED = {"MATINEE_PUBLIC_KEY": "{folder}/key.pub"}


ATTACKS = [
    Attack(
        "no file is listed",
        PREDICT,
        status=1,
        prepare=claim(files={}),
        says=["is not in the release's manifest"],
    ),
    Attack(
        "a listed file outside of the release",
        VERIFY,
        status=1,
        prepare=lambda ground: list_file(release(ground), "../../champion.json"),
        says=["v0002", "DAMAGED", "plain name", "v0001", "verified"],
    ),
    Attack(
        "an absolute path in the list",
        SIMILAR,
        status=1,
        prepare=lambda ground: list_file(release(ground), "/dev/zero"),
        says=["plain name"],
    ),
    Attack("a folder that is a link", VERIFY, status=1, prepare=linked_folder, says=["not a plain file"]),
    Attack("a manifest without end", SIMILAR, status=1, prepare=endless, says=["not a plain file"]),
    Attack(
        "a version that leads elsewhere in the pointer",
        PREDICT,
        status=1,
        prepare=point("../../foreign"),
        says=["champion.json is damaged"],
    ),
    Attack(
        "a champion that is not there", SIMILAR, status=1, prepare=point("v0009"), says=["v0009", "promote"]
    ),
    Attack("promote a path", ["promote", "--store", "{store}", "../v0001"], status=2, says=["no release"]),
    Attack(
        "the older release under the champion's name",
        PREDICT,
        status=1,
        prepare=swap,
        says=["another release"],
    ),
    Attack(
        "a digest in the manifest that leads elsewhere",
        PRUNE,
        status=1,
        prepare=claim(split={"digest": "../../foreign/work"}),
        says=["split.digest"],
    ),
    Attack("fewer users than ids", PREDICT, 1, changed(weights(fewer_users)), ["users.parquet", "400"]),
    Attack(
        "vectors of two sizes",
        ROLLBACK,
        1,
        changed(weights(wrong_column), version="v0001"),
        ["has the shape"],
    ),
    Attack("a header of 2^62 bytes", PREDICT, 1, changed(lying_header), ["weights.safetensors"]),
    Attack("an array of 100 TB", RECOMMEND, 1, changed(huge_shape), ["seen.movies.npy"]),
    Attack("an array with a pickle", RECOMMEND, 1, changed(pickle), ["seen.offsets.npy"]),
    Attack(
        "seen movies that there are not",
        RECOMMEND,
        1,
        changed(array("seen.movies.npy", lambda codes: codes + 10**6)),
        ["has a code that none"],
    ),
    Attack(
        "lists that go back",
        PREDICT,
        1,
        changed(array("seen.offsets.npy", lambda offsets: np.r_[offsets[0], offsets[-2:0:-1], offsets[-1]])),
        ["does not ascend"],
    ),
    Attack(
        "ids in another order",
        PREDICT,
        1,
        changed(table("users.parquet", lambda old: old[::-1])),
        ["ascend"],
    ),
    Attack(
        "ids that are text",
        SIMILAR,
        1,
        changed(
            table("movies.parquet", lambda old: old.set_column(0, "movie_id", old["movie_id"].cast("string")))
        ),
        ["movies.parquet", "movie_key"],
    ),
    Attack(
        "a prior of another size",
        PREDICT,
        1,
        changed(changed_json("prior.json", lambda old: old["mean"].pop())),
        ["prior.json", "mean"],
    ),
    Attack(
        "a weight of popularity that is text",
        RECOMMEND,
        1,
        changed(changed_json("metrics.json", lambda old: old["ranking"].update(popularity_weight="1"))),
        ["metrics.json", "popularity_weight"],
    ),
    Attack(
        "an unsigned release where a key is trusted",
        PROMOTE,
        status=1,
        prepare=lambda ground: keys(ground, "v0002", trusted=True),
        environment=SIGNED,
        says=["v0001 is not signed"],
    ),
    Attack(
        "a signature by another key",
        PREDICT,
        status=1,
        prepare=lambda ground: keys(ground, "v0002", trusted=False),
        environment=SIGNED,
        says=["is not a signature of this manifest"],
    ),
    Attack(
        "changed weights with fresh checksums below a good signature",
        [*RELEASES, "--public-key", "{folder}/key.pub"],
        status=1,
        prepare=signed_and_changed,
        says=["v0002", "DAMAGED"],
    ),
]
