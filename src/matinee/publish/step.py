"""The publish step: a candidate that passed the gate becomes a release and the champion."""

import logging
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, ValidationError

from matinee import evaluate
from matinee.errors import ConfigError, StoreError
from matinee.evaluate.champion_and_anchor import find_champion_and_anchor
from matinee.evaluate.compared_model import ComparedModel
from matinee.evaluate.refit import check_refit
from matinee.evaluate.tested import Models, Tested
from matinee.formats.decision import DecisionFile, by_hand
from matinee.formats.manifests import EvaluationManifest
from matinee.publish.bundle import Bundle
from matinee.registry import Hold, Registry
from matinee.release import inspect
from matinee.settings import Settings
from matinee.store import Reference, Store
from matinee.store.documents import read_as

log = logging.getLogger("matinee.run")

_SHORTEST = 4  # characters of a digest that name a held candidate


class Publication(BaseModel):
    """The result of publishing a candidate."""

    model_config = ConfigDict(frozen=True)

    release: str | None  # the version; None if the gate held the candidate
    promoted: bool
    reason: str
    location: str | None
    replaced: str | None  # the champion before
    evaluation: str  # digest of the evaluation that decided
    warning: str | None = None  # why the tested weights were published instead of the refit on all rows


def publish(store: Store, tested: Tested, *, shipped: Models, settings: Settings) -> Publication:
    """Write the release and make it the champion if the gate passed; otherwise log the hold.

    If another run has changed the champion or the anchor since the evaluation, the candidate is evaluated again. A
    candidate that already is the champion keeps its evaluation: only the weights to publish can differ, as in a first
    run with `train.refit=all`. If the gate holds it now, by other settings, it stays the champion, and the hold is
    logged.

    Args:
        store: The store.
        tested: The evaluated models, with their split and evaluation.
        shipped: The models to publish: the refits on all rows, or the tested models. If a refit fails its check, the
            tested models are published.
        settings: All settings of the run.

    Returns:
        What was published, or why the candidate was held.
    """
    registry = Registry.open(store.root)
    bundle = _checked(registry, Bundle(store, tested.split, tested.models, shipped, settings))
    evaluation = tested.evaluation
    while True:
        decision = read_as(store.path(evaluation) / DecisionFile.NAME, DecisionFile)
        with registry.lock():
            champion, anchor = find_champion_and_anchor(store, tested.models)
            version = _published(registry, bundle.digest)
            as_judged = (_version(champion), _version(anchor)) == (decision.champion, decision.anchor)
            if as_judged or (version is not None and registry.champion() == version):
                return _conclude(registry, bundle, evaluation=evaluation, decision=decision, version=version)
        evaluation = store.ensure(
            evaluate.plan(
                store,
                tested.models,
                split=tested.split,
                champion=champion,
                anchor=anchor,
                settings=settings,
            )
        )


def find_publication(
    store: Store, tested: Tested, *, shipped: Models, settings: Settings
) -> Publication | None:
    """What `publish` would return if it has nothing to write: the candidate is the champion, or its hold is logged.

    Args:
        store: The store.
        tested: The evaluated models, with their split and evaluation.
        shipped: The models to publish.
        settings: All settings of the run.

    Returns:
        The publication; None if `publish` has something to write or to compute.
    """
    registry = Registry.open(store.root)
    bundle = Bundle(store, tested.split, tested.models, shipped, settings)
    decision = read_as(store.path(tested.evaluation) / DecisionFile.NAME, DecisionFile)
    version = _published(registry, bundle.digest)
    if version is None or version != registry.champion():
        champion, anchor = find_champion_and_anchor(store, tested.models)
        as_judged = (_version(champion), _version(anchor)) == (decision.champion, decision.anchor)
        if decision.promoted or not as_judged:
            return None
    decision = _or_by_hand(registry, decision, version)
    if not decision.promoted and not _is_logged(registry, bundle, tested.evaluation, reason=decision.reason):
        return None
    return _conclude(registry, bundle, evaluation=tested.evaluation, decision=decision, version=version)


def publish_held(store: Store, candidate: str) -> tuple[str, str | None]:
    """Publish a held candidate by name with its tested weights, in spite of the gate; logged as `promote`.

    Args:
        store: The store.
        candidate: The digest of the candidate, or the beginning of it.

    Returns:
        The version, and the champion that it replaces.

    Raises:
        ConfigError: No held candidate matches, or more than one.

    """
    registry = Registry.open(store.root)
    with store.in_use(), registry.lock():
        held = _find_held(registry, candidate)
        evaluation = store.reference("evaluations", held.evaluation)
        judged = store.read(EvaluationManifest, evaluation.digest)
        decision = read_as(store.path(evaluation) / DecisionFile.NAME, DecisionFile)
        split = store.reference("splits", judged.split)
        models = _models_of(store, judged)
        settings = _settings_of(judged, evaluation)
        release = settings.release.model_copy(update={"storage": held.storage or "float32"})
        bundle = Bundle(store, split, models, models, settings.model_copy(update={"release": release}))
        before, version = registry.champion(), registry.next_version()
        said = decision.model_copy(update={"reason": by_hand(decision.reason)})
        bundle.write(registry.folder(version), version=version, evaluation=evaluation, decision=said)
        reason = f"promote by name; the gate said: {decision.reason}"
        registry.point_to(version, action="promote", reason=reason, candidate=models.judged.digest)
    return version, before


def _models_of(store: Store, judged: EvaluationManifest) -> Models:
    plays = judged.candidate == judged.ranking
    return Models(
        candidate=None if plays else store.reference("candidates", judged.candidate),
        # Its digest is empty in an evaluation of an earlier version.
        ranking=store.reference("rankings", judged.ranking) if judged.ranking else None,
    )


def _settings_of(judged: EvaluationManifest, evaluation: Reference) -> Settings:
    try:
        return Settings.model_validate(judged.settings)
    except ValidationError as error:
        raise StoreError(
            f"The settings of {evaluation.location} cannot be read ({error.error_count()} faults), so its candidate "
            "was not published. Train it again."
        ) from error


def _checked(registry: Registry, bundle: Bundle) -> Bundle:
    """The same bundle; if the refit fails its check, with the tested weights instead."""
    candidate, refitted = bundle.tested.candidate, bundle.shipped.candidate
    if candidate is None or refitted is None or candidate == refitted:
        return bundle
    if _published(registry, bundle.digest):
        return bundle
    tested, refit, split = (bundle.store.path(each) for each in (candidate, refitted, bundle.split))
    rule = check_refit(tested, refit, split=split, settings=bundle.settings.gate)
    if rule.passed:
        return replace(bundle, refit=rule)
    log.warning("The tested weights are published, not the refit: %s.", rule.says)
    return replace(bundle, refit=rule, shipped=bundle.tested)


def _find_held(registry: Registry, candidate: str) -> Hold:
    held = {entry.candidate: entry for entry in registry.held()}
    found = [digest for digest in held if digest.startswith(candidate)]
    if len(candidate) < _SHORTEST:  # for example a script's empty variable, which must publish nothing
        fault = f"{candidate!r} is not a release, and a held candidate needs at least {_SHORTEST} characters"
    elif len(found) > 1:
        fault = f"More than one held candidate begins with {candidate!r}"
    elif not found:
        fault = f"No release and no held candidate is named {candidate!r}"
    else:
        return held[found[0]]
    raise ConfigError(
        f"{fault} in {registry.root}. Releases: {', '.join(registry.versions()) or 'none'}. "
        f"Held candidates: {', '.join(held) or 'none'}."
    )


def _conclude(
    registry: Registry,
    bundle: Bundle,
    *,
    evaluation: Reference,
    decision: DecisionFile,
    version: str | None,
) -> Publication:
    champion = registry.champion()
    decision = _or_by_hand(registry, decision, version)
    if not decision.promoted:
        return _hold(registry, bundle, evaluation, reason=decision.reason)
    if version is None:
        version = registry.next_version()
        bundle.write(registry.folder(version), version=version, evaluation=evaluation, decision=decision)
    elif champion != version:
        inspect(registry.folder(version))
    if champion != version:
        anchor = version if decision.becomes_anchor else decision.anchor
        registry.point_to(version, action="publish", reason=decision.reason, anchor=anchor)
    return Publication(
        release=version,
        promoted=True,
        reason=decision.reason,
        location=str(registry.folder(version)),
        replaced=decision.champion if champion == version else champion,
        evaluation=evaluation.digest,
        warning=None if bundle.refit is None or bundle.refit.passed else bundle.refit.says,
    )


def _or_by_hand(registry: Registry, decision: DecisionFile, version: str | None) -> DecisionFile:
    """The gate's decision; if a person made the release the champion in spite of it, that of the person."""
    if decision.promoted or version is None or registry.champion() != version:
        return decision
    moves = registry.moves()
    if not moves or moves[-1].action == "publish":  # the gate passed it with other settings
        return decision
    reason = registry.reason()
    if decision.reason not in reason:
        reason = f"{reason}; the gate said: {decision.reason}"
    return decision.model_copy(update={"promoted": True, "reason": reason})


def _hold(registry: Registry, bundle: Bundle, evaluation: Reference, *, reason: str) -> Publication:
    """Log once that the gate holds the candidate; the champion stays."""
    candidate = bundle.tested.judged.digest
    if not _is_logged(registry, bundle, evaluation, reason=reason):
        registry.record(
            "hold",
            candidate=candidate,
            evaluation=evaluation.digest,
            reason=reason,
            **_noted(bundle.settings),
        )
    return Publication(
        release=None,
        promoted=False,
        reason=reason,
        location=None,
        replaced=None,
        evaluation=evaluation.digest,
    )


def _is_logged(registry: Registry, bundle: Bundle, evaluation: Reference, *, reason: str) -> bool:
    """Whether the log has the hold."""
    noted = _noted(bundle.settings).get("storage")
    hold = (bundle.tested.judged.digest, evaluation.digest, reason, noted)
    return hold in {
        (entry.candidate, entry.evaluation, entry.reason, entry.storage) for entry in registry.log()
    }


def _noted(settings: Settings) -> dict[str, str]:
    """What a hold says of the settings of its run: those that are in no digest, if they are not the defaults."""
    storage = settings.release.storage
    return {} if storage == "float32" else {"storage": storage}


def _version(compared: ComparedModel | None) -> str | None:
    return compared.version if compared else None


def _published(registry: Registry, digest: str) -> str | None:
    """The version of a release with the same weights, if there is one."""
    return next((found.version for found in registry.manifests() if found.digest == digest), None)
