"""`hera run build-image`, `build-appliance`, `release`: images built from this machine."""

from collections.abc import Callable, Mapping

from steps.clients.media import Media
from workflows.backends.bundles import send_bundles
from workflows.backends.events import Event
from workflows.backends.local_run import LocalOrder, Options, Outcome, ready
from workflows.image_order import ImageOrder


def run_image(
    order: ImageOrder, options: Options, on_event: Callable[[Event], None], environment: Mapping[str, str]
) -> Outcome:
    """Build it from this machine; returns when the build, and its clean-up, has come to an end."""
    server = order.parts[-1].plan.vcenter.server
    towards = server if "://" in server else f"https://{server}"
    what = LocalOrder(order.workflow, order.parameters, order.references, order.texts)
    with ready(what, [towards], options) as here:
        with Media(here.media.control_url, here.media.token) as service:
            send_bundles(order, service)
        return here.run(on_event, environment)
