"""Afterwards the VM is a template, with the tags and attributes of the settings, if they want one."""

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.clients.vsphere import tags
from steps.vcenter import VmInput, work_on


class Input(VmInput):
    pass


class Output(StepOutput):
    evidence: str


@runtime.step()
def convert_to_template(given: Input) -> Output:
    finish = given.plan.finish
    with work_on(given) as work:
        for name, value in finish.custom_attributes.items():
            work.vm.set_attribute(name, value)
        tags.attach(work.site.vsphere, work.vm.moid, finish.tags)
        seen = work.vm.look()
        if not seen.is_template:  # whose configuration cannot be changed any more
            if seen.notes != {"finished": given.run}:
                work.vm.note({"typed": "", "provisioned": "", "finished": given.run})
            if finish.template:
                work.vm.make_template()
    labels = [*finish.tags, *finish.custom_attributes]
    evidence = ("a template" if finish.template else "a VM") + (f" with {', '.join(labels)}" if labels else "")
    runtime.progress(100, evidence)
    return Output(evidence=evidence)
