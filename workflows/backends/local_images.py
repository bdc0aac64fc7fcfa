"""`hera run build-image`, `build-appliance`, `release`: images built from this machine."""

from collections.abc import Callable, Mapping

from steps.clients.media import Media
from workflows.backends import local
from workflows.backends.bundles import send_bundles
from workflows.backends.events import Event
from workflows.backends.local_run import Options, Outcome, exit_code_of, media_of, new_run, secrets_folder, unwound
from workflows.catalog import CATALOG, template, workflow
from workflows.image_order import ImageOrder


def run_image(
    order: ImageOrder, options: Options, on_event: Callable[[Event], None], environment: Mapping[str, str]
) -> Outcome:
    """Build it from this machine; returns when the build, and its clean-up, has come to an end."""
    run, folder = new_run(order.workflow, options.state)
    server = order.parts[-1].plan.vcenter.server
    towards = [f"https://{server}" if "://" not in server else server]
    with (
        unwound(),
        media_of(towards, options, folder) as media,
        secrets_folder(order.texts, media.token) as secrets,
    ):
        with Media(media.control_url, media.token) as service:
            send_bundles(order, service)
        result = local.run(
            workflow(
                order.workflow,
                run=run,
                parameters=order.parameters | {"media": media.control_url},
                secrets=order.references,
            ),
            templates={name: template(name) for name in CATALOG},
            folder=folder,
            secrets=secrets,
            on_event=on_event,
            max_pods=options.max_pods,
            environment={**environment, "HERASPHERE_RUN_STORE": str(folder)},
        )
    return Outcome(run, folder, exit_code_of(result.root, result.children))
