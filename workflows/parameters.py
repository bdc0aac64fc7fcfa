"""How a workflow's parameters reach its steps."""


def given(*names: str) -> dict[str, str]:
    """Arguments that hand on the workflow's parameters of these names."""
    return {name: f"{{{{workflow.parameters.{name}}}}}" for name in names}
