"""What every template and workflow has in common: image, identity, retry, pod hygiene. The one user of Hera's hooks."""

import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from hera.shared import register_pre_build_hook
from hera.workflows import RetryStrategy, Script
from hera.workflows.models import (
    Backoff,
    Capabilities,
    EmptyDirVolumeSource,
    PodGC,
    PodSecurityContext,
    ResourceRequirements,
    SecurityContext,
    TTLStrategy,
    Volume,
    VolumeMount,
    WorkflowMetadata,
)

from steps.domain.children import MEDIA_TOKEN, RUN_LABEL, SECRETS_VOLUME, secrets_volume

VERSION = version("herasphere")
IMAGE = f"herasphere/runner:{VERSION}"
SERVICE_ACCOUNT = "herasphere-steps"
SECRETS_PATH = "/run/herasphere/secrets"
TTL_S = 7 * 24 * 3600

# A deleted pod is an Error without an exit code; 75 is Unavailable, the only failure of ours that passes by itself.
RETRY = RetryStrategy(
    limit=3,
    expression="asInt(lastRetry.exitCode) == 75 || lastRetry.status == 'Error'",
    retry_policy="Always",
    backoff=Backoff(duration="5s", factor=3, max_duration="5m"),
)

OUTPUT = Volume(name="output", empty_dir=EmptyDirVolumeSource())
OUTPUT_PATH = "/run/herasphere/output"
WRITES_ARTIFACTS = ("steps.export.export_ova", "steps.export.write_manifest", "steps.export.publish")
# A workflow's own volume of another kind would be added to the template's of that name, which no pod may have: only a
# patch takes the one away. Within a tag no two braces close but its own.
ON_ITS_CLAIM = (
    "{{=workflow.parameters.claim == '' ? '{}' : toJson({'volumes': [{'name': 'output', 'emptyDir': nil,"
    " 'persistentVolumeClaim': {'claimName': workflow.parameters.claim} }]}) }}"
)
SCRATCH = Volume(name="tmp", empty_dir=EmptyDirVolumeSource())


@register_pre_build_hook
def finish_step(step: Script) -> Script:
    """Give each step of ours what all have in common; Hera itself would bind an image when the decorator runs."""
    if not str(getattr(step.source, "__module__", "")).startswith("steps."):
        return step  # Hera calls this for every script of the process
    step.image = IMAGE
    step.image_pull_policy = "IfNotPresent"
    step.retry_strategy = step.retry_strategy or RETRY
    step.volume_mounts = [
        VolumeMount(name=SECRETS_VOLUME, mount_path=SECRETS_PATH, read_only=True),
        VolumeMount(name=SCRATCH.name, mount_path="/tmp"),
    ]
    if step.source.__module__ in WRITES_ARTIFACTS:
        step.volume_mounts.append(VolumeMount(name=OUTPUT.name, mount_path=OUTPUT_PATH))
        step.pod_spec_patch = ON_ITS_CLAIM
    step.resources = ResourceRequirements(requests={"cpu": "20m", "memory": "96Mi"}, limits={"memory": "256Mi"})
    step.security_context = SecurityContext(
        allow_privilege_escalation=False, capabilities=Capabilities(drop=["ALL"]), read_only_root_filesystem=True
    )
    return step


def labelled_with_its_run() -> WorkflowMetadata:
    """A label by which a run and its hosts' workflows are found together, however the run was started."""
    return WorkflowMetadata(labels_from={RUN_LABEL: {"expression": "workflow.name"}})


def workflow_defaults(about: str | None, *, volumes: Sequence[Volume] = ()) -> dict[str, Any]:
    """Arguments for every WorkflowTemplate.

    about:   what Argo's UI says of it, up to the first ':' or '.' its title
    volumes: those that it needs besides the common ones
    """
    text = (about or "").strip()
    return {
        "annotations": {
            "workflows.argoproj.io/title": re.split(r"[:.]", text)[0],
            "workflows.argoproj.io/description": text,
        },
        "service_account_name": SERVICE_ACCOUNT,
        "volumes": [Volume.model_validate(secrets_volume([MEDIA_TOKEN])), SCRATCH, *volumes],
        "security_context": PodSecurityContext(run_as_non_root=True, run_as_user=10001, fs_group=10001),
        "pod_gc": PodGC(strategy="OnPodSuccess"),  # the pods of failed steps stay for a look
        "ttl_strategy": TTLStrategy(seconds_after_completion=TTL_S),
        "labels": {"app.kubernetes.io/part-of": "herasphere", "app.kubernetes.io/version": VERSION},
    }
