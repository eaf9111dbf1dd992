"""Reasons are exact: the shares of the rated movies add up to the score that orders the list."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import matinee
from matinee.cli.main import main
from matinee.errors import ConfigError, ReleaseError
from matinee.release.rating_levels import shortest_rating, to_levels, to_ratings

Make = Callable[..., Path]


def test_shares_add_up_to_the_score_for_any_pair(random_release: Make) -> None:
    release = matinee.load(random_release(ranked=True))
    draw = np.random.default_rng(0)
    for user, movie in zip(
        draw.integers(0, 51, 1000).tolist(), draw.integers(0, 40, 1000).tolist(), strict=True
    ):
        code = user if user < 50 else -1
        rated = release.catalog.seen(code)
        found = release.explain(user * 10 + 3, movie * 10 + 3)
        assert release.ranking is not None
        listed = release.ranking.scores(rated, release.catalog.levels(code))[movie]
        assert found.score == pytest.approx(listed, rel=1e-6, abs=1e-5)
        assert {reason.movie_id for reason in found.reasons} == {
            movie_code * 10 + 3 for movie_code in rated.tolist()
        }
        if found.reasons:
            assert found.score == pytest.approx(sum(reason.share for reason in found.reasons), abs=1e-5)
        shares = [abs(reason.share) for reason in found.reasons]
        assert shares == sorted(shares, reverse=True)


def test_each_suggestion_has_the_rating_with_the_largest_share(random_release: Make) -> None:
    release = matinee.load(random_release(ranked=True))
    catalog = release.catalog
    for user in range(50):
        found = release.recommend(user * 10 + 3, 5, explain=True)
        for suggestion in found:
            reasons = release.explain(user * 10 + 3, suggestion.movie_id).reasons
            best = max(reasons, key=lambda reason: reason.share, default=None)
            if suggestion.because is None:
                assert best is None or best.share <= 0
            else:
                assert best is not None and best.movie_id == suggestion.because.movie_id
                assert suggestion.because.share == pytest.approx(best.share)
        assert [tuple(each) for each in found] == [
            tuple(each) for each in release.recommend(user * 10 + 3, 5)
        ]
    ratings = to_ratings(catalog.levels(9), release.scale).tolist()
    guest = release.fold_in(dict(zip(catalog.movie_ids[catalog.seen(9)].tolist(), ratings, strict=True)))
    assert guest.explain(13) == release.explain(93, 13)
    assert guest.recommend(3, explain=True)[0].because == release.recommend(93, 3, explain=True)[0].because


@pytest.mark.parametrize("scale", [(0.5, 5.0), (1.0, 5.0), (0.0, 10.0)])
def test_reasons_have_the_rating_that_the_user_gave(scale: tuple[float, float]) -> None:
    ratings = np.arange(scale[0], scale[1] + 0.1, 0.5)
    assert [shortest_rating(level, scale) for level in to_levels(ratings, scale)] == ratings.tolist()


def test_an_unknown_user_has_no_reasons_and_an_unknown_movie_is_an_error(random_release: Make) -> None:
    release = matinee.load(random_release(ranked=True))
    with pytest.warns(UserWarning, match="No movies were given"):
        nobody = release.fold_in({})
    assert release.explain(999_999, 13).reasons == nobody.explain(13).reasons == ()
    assert release.recommend(999_999, 1, explain=True)[0].because is None
    for unknown in (14, 999_999, -1):
        with pytest.raises(ConfigError, match=f"movie {unknown}"):
            release.explain(13, unknown)


def test_a_release_without_a_ranking_model_raises_a_release_error(random_release: Make) -> None:
    release = matinee.load(random_release())
    guest = release.fold_in({13: 5.0})
    for ask in (
        lambda: release.explain(13, 13),
        lambda: release.recommend(13, explain=True),
        lambda: guest.explain(13),
        lambda: guest.recommend(explain=True),
    ):
        with pytest.raises(ReleaseError, match="has no ranking model"):
            ask()


def test_the_command_lists_ratings_for_and_against_the_movie(
    random_release: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = random_release(ranked=True)
    user = int(np.diff(matinee.load(folder).catalog.seen_offsets).argmax()) * 10 + 3
    call = ["explain", "--store", str(folder.parents[1]), "--user", str(user), "--movie", "13", "--top", "2"]
    assert main([*call, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert len(facts["reasons"]) == 2
    shares = [reason["share"] for reason in facts["reasons"]]
    assert facts["score"] == pytest.approx(sum(shares) + facts["others"]["share"], abs=1e-5)
    assert main(call) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{facts['score']:7.4f}") and "others" in lines[-1] and len(lines) == 4
    rated = str(facts["reasons"][0]["movie_id"])
    assert main([*call[:-3], rated, "--top", "20"]) == 0
    own = [line for line in capsys.readouterr().out.splitlines() if "the movie itself" in line]
    assert len(own) == 1


def test_printed_lists_have_a_header_and_scores(
    random_release: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(random_release(ranked=True).parents[1])
    assert main(["similar", "--store", store, "--movie", "13", "--top", "2"]) == 0
    about, header, first, _ = capsys.readouterr().out.splitlines()
    assert about == "most similar to movie 13"
    assert header.split() == ["score", "movie", "title"] and -1 <= float(first.split()[0]) <= 1
    assert main(["recommend", "--store", store, "--user", "3", "--top", "1"]) == 0
    _, header, first = capsys.readouterr().out.splitlines()
    assert header.split()[:4] == ["rank", "score", "movie", "title"] and first.split()[0] == "1"
