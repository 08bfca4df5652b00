"""The variables that orchestrators and platforms document for what they run, and the mounts of engines' machines."""

from envinspect.light_typing import NamedTuple
from envinspect.model import Strength

_ECS = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4.html"
_LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"
_KUBERNETES = "https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables"
_NOMAD = "https://developer.hashicorp.com/nomad/docs/reference/runtime-environment-settings"
_RUN = "https://cloud.google.com/run/docs/container-contract#env-vars"
_AZURE = "https://learn.microsoft.com/en-us/azure/app-service/reference-app-settings"
_HEROKU = "https://devcenter.heroku.com/articles/dynos#local-environment-variables"
_FLY = "https://fly.io/docs/machines/runtime-environment/"
_ACTIONS = "https://docs.github.com/en/actions/reference/workflows-and-actions/variables"
_GITLAB = "https://docs.gitlab.com/ci/variables/predefined_variables/"
_CODESPACES = (
    "https://docs.github.com/en/codespaces/developing-in-a-codespace/default-environment-variables-for-your-codespace"
)


class Variables(NamedTuple):
    """Variables that must all be set; `value` begins the value of the first one ("" for any)."""

    names: tuple[str, ...]
    value: str
    id: str
    strength: Strength
    reference: str


VARIABLES: tuple[Variables, ...] = (
    Variables(("AWS_EXECUTION_ENV",), "AWS_ECS_FARGATE", "aws-fargate", Strength.PROOF, _ECS),
    Variables(("AWS_EXECUTION_ENV",), "AWS_ECS_EC2", "aws-ecs", Strength.PROOF, _ECS),
    Variables(("AWS_EXECUTION_ENV",), "AWS_Lambda_", "aws-lambda", Strength.PROOF, _LAMBDA),
    Variables(("AWS_LAMBDA_FUNCTION_NAME", "LAMBDA_TASK_ROOT"), "", "aws-lambda", Strength.STRONG, _LAMBDA),
    Variables(("ECS_CONTAINER_METADATA_URI_V4",), "http://169.254.170.2/", "aws-ecs", Strength.STRONG, _ECS),
    Variables(("ECS_CONTAINER_METADATA_URI",), "http://169.254.170.2/", "aws-ecs", Strength.STRONG, _ECS),
    Variables(("KUBERNETES_SERVICE_HOST",), "", "kubernetes", Strength.STRONG, _KUBERNETES),
    Variables(("NOMAD_ALLOC_ID",), "", "nomad", Strength.STRONG, _NOMAD),
    Variables(("K_SERVICE", "K_REVISION", "K_CONFIGURATION"), "", "cloud-run", Strength.STRONG, _RUN),
    Variables(("CLOUD_RUN_JOB", "CLOUD_RUN_EXECUTION"), "", "cloud-run", Strength.STRONG, _RUN),
    Variables(("WEBSITE_SITE_NAME", "WEBSITE_INSTANCE_ID"), "", "azure-app-service", Strength.STRONG, _AZURE),
    Variables(("DYNO", "PORT"), "", "heroku", Strength.STRONG, _HEROKU),
    Variables(("DYNO",), "", "heroku", Strength.HINT, _HEROKU),
    Variables(("FLY_APP_NAME", "FLY_REGION"), "", "fly", Strength.STRONG, _FLY),
    Variables(("GITHUB_ACTIONS",), "true", "github-actions", Strength.STRONG, _ACTIONS),
    Variables(("GITLAB_CI",), "true", "gitlab-ci", Strength.STRONG, _GITLAB),
    Variables(("CODESPACES",), "true", "codespaces", Strength.STRONG, _CODESPACES),
)


class EngineMount(NamedTuple):
    """A mount that an engine's Linux machine leaves in its containers: one of the fields is given.

    `folder` stands somewhere in the path of what is mounted, or where it is mounted.
    """

    fstype: str
    source: str
    folder: str
    id: str
    reference: str


ENGINE_MOUNTS: tuple[EngineMount, ...] = (
    EngineMount("fakeowner", "", "", "docker-desktop", "https://docs.docker.com/desktop/features/vmm/"),
    EngineMount("fuse.grpcfuse", "", "", "docker-desktop", "https://docs.docker.com/desktop/features/vmm/"),
    EngineMount("grpcfuse", "", "", "docker-desktop", "https://docs.docker.com/desktop/features/vmm/"),
    EngineMount("fuse.osxfs", "", "", "docker-desktop", "https://docs.docker.com/desktop/features/vmm/"),
    EngineMount(
        "", "", "/docker-desktop-bind-mounts/", "docker-desktop", "https://docs.docker.com/desktop/features/wsl/"
    ),
    EngineMount("", "", "/host_mnt/", "docker-desktop", "https://docs.docker.com/desktop/"),
    EngineMount("", "", "/Docker/host", "docker-desktop", "https://docs.docker.com/desktop/features/wsl/"),
    EngineMount("", "orbstack", "", "orbstack", "https://docs.orbstack.dev/architecture"),
    EngineMount(
        "",
        "",
        "/var/home/core/.local/share/containers/",
        "podman-machine",
        "https://docs.podman.io/en/latest/markdown/podman-machine.1.html",
    ),
)
