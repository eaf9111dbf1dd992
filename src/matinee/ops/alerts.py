"""Alerts as code: automations of the Prefect server that end runs without a heartbeat and send notifications.

Automations are identified by name, so applying them again changes nothing. They watch runs of deployments only. The
user of the command line sees how a run ends.
"""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings
from pydantic import SecretStr

from matinee.errors import ConfigError
from matinee.ops.connection import answering
from matinee.ops.environment import HEARTBEAT_SECONDS, WEBHOOK
from matinee.ops.prefect_server import parse_address

BLOCK = "matinee-alerts"
FLOWS = ["retrain", "recommend", "nightly"]
_SILENT = "No heartbeat"
_HEARTBEAT = "prefect.flow-run.heartbeat"
# Events other than heartbeats of a run that has ended, or that waits without a process.
_OVER = {"Completed", "Cached", "Held", "Nothing new", "Failed", "TimedOut", "Crashed", "Cancelled"}
_OVER |= {"Suspended", "AwaitingRetry"}
# Three heartbeats may be lost or late. The server checks every five seconds, so it ends a dead run before the fifth.
_HEARTBEATS = 3.5
_RUNS = {"prefect.resource.id": "prefect.flow-run.*"}
_OURS = {"prefect.resource.role": "flow", "prefect.resource.name": FLOWS}
_UNATTENDED = {"prefect.resource.role": "deployment"}


def apply(*, webhook: str | None = None, block: str | None = None) -> dict[str, str]:
    """Create or update the automations of this module on the server.

    Without `webhook` and `block`, only the automation that ends runs without a heartbeat is applied.

    Args:
        webhook: URL to notify; it is stored in a block.
        block: Notification or webhook block to use, as TYPE/NAME.

    Returns:
        What happened to each automation, by name: created, updated or unchanged.

    Raises:
        ConfigError: There is no server, no such block, or the URL is not valid.
    """
    if webhook:
        parse_address(webhook, name=f"The webhook (--webhook or {WEBHOOK})")
    with _server() as client:
        wanted = [_end_silent_runs()]
        if webhook:
            wanted += _alerts(_call(_keep_webhook(client, webhook)))
        elif block:
            wanted += _alerts(_action(client, block))
        there = {automation.name: automation for automation in client.read_automations()}
        return {each.name: _settle(client, each, there.get(each.name)) for each in wanted}


def remove() -> dict[str, str]:
    """Remove all automations and the block of the webhook; returns what happened to each, by name."""
    with _server() as client:
        names = {each.name for each in [_end_silent_runs(), *_alerts(_call(UUID(int=0)))]}
        gone = [automation for automation in client.read_automations() if automation.name in names]
        for automation in gone:
            client.delete_automation(automation.id)
        kept = _block_id(client, "webhook", BLOCK)
        if kept is not None:
            client.delete_block_document(kept)
        return {automation.name: "removed" for automation in gone}


def _end_silent_runs(heartbeat_seconds: float = HEARTBEAT_SECONDS) -> AutomationCore:
    """The automation that ends runs whose process was killed together with its worker."""
    within = timedelta(seconds=heartbeat_seconds * _HEARTBEATS)
    message = f"{_SILENT} for {within.total_seconds():.0f} s: the process has ended. Retry it; finished steps are kept."
    return AutomationCore(
        name="matinee: end runs without heartbeat",
        description="Applied by `make up` and `matinee alerts apply`.",
        trigger=EventTrigger(
            after={_HEARTBEAT},
            expect={_HEARTBEAT, *(f"prefect.flow-run.{state}" for state in _OVER)},
            match=_RUNS,
            match_related=_OURS,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=within,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=message)],
    )


def _alerts(action: CallWebhook | SendNotification) -> Iterator[AutomationCore]:
    """One automation per kind of notification."""
    any_state, crashed = "prefect.flow-run.*", {"prefect.state-type": "CRASHED"}
    why = "{{ flow_run.state.message }}"
    yield _alert("failed", action, event=any_state, match={"prefect.state-type": "FAILED"}, why=why)
    loud = {**crashed, "prefect.state-message": f"!{_SILENT}*"}
    yield _alert("crashed", action, event=any_state, match=loud, why=why)
    silent = {**crashed, "prefect.state-message": f"{_SILENT}*"}
    yield _alert("no heartbeat", action, event=any_state, match=silent, why=why)
    late = "It has not started yet. Check that a worker is running and free."
    yield _alert("late", action, event="prefect.flow-run.Late", match={}, why=late)
    refused = "{{ event.payload.reason }} Its report: {{ event.payload.report }}"
    yield _alert("file set aside", action, event="matinee.file.refused", match=None, why=refused)
    held = "{{ event.payload.reason }} The champion stays."
    yield _alert("held by the gate", action, event="matinee.candidate.held", match=None, why=held)


def _alert(
    name: str,
    action: CallWebhook | SendNotification,
    *,
    event: str,
    match: dict[str, str] | None,
    why: str,
) -> AutomationCore:
    if isinstance(action, CallWebhook):
        message = {"payload": _payload(name, why)}
    else:
        body = f"{{{{ flow_run.name }}}}. {why}\n{{{{ flow_run | ui_url }}}}"
        message = {"subject": f"Matinee: {name}", "body": body}
    trigger = EventTrigger(
        expect={event}, for_each={"prefect.resource.id"}, posture=Posture.Reactive, threshold=1
    )
    if match is not None:
        filters = {"match": {**_RUNS, **match}, "match_related": [_OURS, _UNATTENDED]}
        trigger = EventTrigger.model_validate(trigger.model_dump(exclude_unset=True) | filters)
    return AutomationCore(
        name=f"matinee: alert {name}",
        description="Applied by `matinee alerts apply`.",
        trigger=trigger,
        actions=[action.model_copy(update=message)],
    )


def _payload(name: str, why: str) -> str:
    """A template of JSON. Chat programs show `text`; the other fields are for programs. Values may contain quotes."""
    fields = {
        "alert": f"'{name}'",
        "text": f"'Matinee: {name}: ' ~ flow_run.name ~ '. ' ~ why",
        "run": "flow_run.name ~ ''",
        "run_id": "flow_run.id ~ ''",
        "url": "(flow_run | ui_url) or ''",
    }
    values = ", ".join(f'"{key}": {{{{ ({value}) | tojson }}}}' for key, value in fields.items())
    return f"{{% set why %}}{why}{{% endset %}}{{{values}}}"


def _settle(client: SyncPrefectClient, wanted: AutomationCore, there: Automation | None) -> str:
    """Create or update an automation; a paused automation stays paused."""
    if there is None:
        client.create_automation(wanted)
        return "created"
    compared = {"name", "description", "trigger", "actions"}
    if there.model_dump(include=compared) == wanted.model_dump(include=compared):
        return "unchanged"
    client.update_automation(there.id, AutomationCore(**wanted.model_dump() | {"enabled": there.enabled}))
    return "updated"


@contextlib.contextmanager
def _server() -> Iterator[SyncPrefectClient]:
    """A client of the server that the profile or PREFECT_API_URL names.

    Raises ConfigError if there is no server, or if it refuses a request. Alerts on a temporary server would be useless.
    """
    url = get_current_settings().api.url
    if not url:
        raise ConfigError(
            "Alerts need a Prefect server, and none is configured. Set PREFECT_API_URL to its address; that of `make "
            "up` is http://127.0.0.1:4200/api."
        )
    with answering(), get_client(sync_client=True) as client:
        yield client


def _keep_webhook(client: SyncPrefectClient, url: str) -> UUID:
    """The block with the URL. A block is encrypted and not shown on pages or in logs, as the URL may hold a token."""
    kept = _block_id(client, "webhook", BLOCK)
    if kept is not None:
        webhook = Webhook.load(BLOCK)
        assert isinstance(webhook, Webhook)  # nosec B101 # for mypy: a synchronous caller gets no coroutine
        if webhook.url.get_secret_value() == url:
            return kept
    return UUID(str(Webhook(url=SecretStr(url)).save(BLOCK, overwrite=True)))


def _action(client: SyncPrefectClient, block: str) -> CallWebhook | SendNotification:
    kind, _, name = block.partition("/")
    found = _block_id(client, kind, name)
    if found is None:
        raise ConfigError(
            f"The server has no block {block!r}; expected TYPE/NAME, such as slack-webhook/team. "
            "`prefect block ls` lists the blocks."
        )
    return _call(found) if kind == "webhook" else SendNotification(block_document_id=found, body="-")


def _call(block: UUID) -> CallWebhook:
    return CallWebhook(block_document_id=block)


def _block_id(client: SyncPrefectClient, kind: str, name: str) -> UUID | None:
    try:
        return client.read_block_document_by_name(name, kind).id
    except ObjectNotFound:
        return None
