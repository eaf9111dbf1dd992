"""Releases that differ from what was published, or that are impossible: a manifest alone proves nothing."""

import numpy as np
from attacks.changed_releases import (
    array,
    changed,
    changed_json,
    claim,
    endless,
    fewer_users,
    fifo,
    foreign_table,
    huge_shape,
    infinite,
    keys,
    link_out,
    linked_folder,
    list_file,
    lying_header,
    manifest_text,
    nan,
    pickle,
    point,
    release,
    rewrite_manifest,
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
        "tested weights that are not listed",
        RECOMMEND,
        status=1,
        prepare=lambda ground: (release(ground) / "tested.safetensors").write_bytes(b"x") and None,
        says=["tested.safetensors is not in the release's manifest"],
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
    Attack(
        "weights that are a link",
        PREDICT,
        status=1,
        prepare=link_out,
        says=["not a plain file"],
        keeps_store=False,
    ),
    Attack("a folder that is a link", VERIFY, status=1, prepare=linked_folder, says=["not a plain file"]),
    Attack("a manifest without end", SIMILAR, status=1, prepare=endless, says=["not a plain file"]),
    Attack("a pipe in place of a file", PREDICT, status=1, prepare=fifo, says=["not a plain file"]),
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
        "a manifest nested 100,000 deep",
        RELEASES,
        status=1,
        prepare=manifest_text('{"files":' * 100_000),
        says=["v0001  DAMAGED", "v0002", "champion"],
    ),
    Attack(
        "a scale of 5,000 digits",
        VERIFY,
        status=1,
        prepare=lambda ground: manifest_text(
            (release(ground) / "manifest.json")
            .read_text()
            .replace('"scale": [', '"scale": [' + "9" * 5000 + ",")
        )(ground),
        says=["v0001  DAMAGED"],
    ),
    Attack(
        "a scale that is NaN",
        PROMOTE,
        status=1,
        prepare=lambda ground: rewrite_manifest(release(ground, "v0001"), scale=[float("nan"), 5]),
        says=["v0001/manifest.json is damaged"],
    ),
    Attack(
        "a digest in the manifest that leads elsewhere",
        PRUNE,
        status=1,
        prepare=claim(split={"digest": "../../foreign/work"}),
        says=["split.digest"],
    ),
    Attack(
        "weights that are not numbers",
        PROMOTE,
        1,
        changed(weights(nan), version="v0001"),
        ["user_factors has"],
    ),
    Attack("an infinite bias", VERIFY, 1, changed(weights(infinite)), ["movie_bias has", "DAMAGED"]),
    Attack("fewer users than ids", PREDICT, 1, changed(weights(fewer_users)), ["users.parquet", "400"]),
    Attack(
        "vectors of two sizes",
        ROLLBACK,
        1,
        changed(weights(wrong_column), version="v0001"),
        ["has the shape"],
    ),
    Attack("a table of another model", SIMILAR, 1, changed(weights(foreign_table)), ["movie_embedding"]),
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
