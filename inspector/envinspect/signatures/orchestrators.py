"""The variables that orchestrators and platforms document for what they run, and the mounts of engines' machines."""

from __future__ import annotations

from envinspect.model import Record, Strength

_ECS = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4.html"
_LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"
_KUBERNETES = "https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables"
_NOMAD = "https://developer.hashicorp.com/nomad/docs/reference/runtime-environment-settings"
_RUN = "https://cloud.google.com/run/docs/container-contract#env-vars"
_AZURE = "https://learn.microsoft.com/en-us/azure/app-service/reference-app-settings"
_HEROKU = "https://devcenter.heroku.com/articles/dynos#local-environment-variables"
_FLY = "https://fly.io/docs/machines/runtime-environment/"
_ACTIONS = "https://docs.github.com/en/actions/reference/workflows-and-actions/variables"
_ACT = "https://github.com/nektos/act/issues/422"
_GITEA = "https://github.com/go-gitea/gitea/issues/24038"
_FORGEJO = "https://code.forgejo.org/forgejo/runner/src/branch/main/internal/app/run/runner.go"
_GITLAB = "https://docs.gitlab.com/ci/variables/predefined_variables/"
_AZURE_CONTAINER_APPS = "https://learn.microsoft.com/en-us/azure/container-apps/environment-variables"
_AZURE_FUNCTIONS = "https://learn.microsoft.com/en-us/azure/azure-functions/functions-app-settings"
_HOME_ASSISTANT = "https://developers.home-assistant.io/docs/apps/communication/"
_REPLIT = "https://docs.replit.com/replit-workspace/configuring-repl"
_RAILWAY = "https://docs.railway.com/reference/variables"
_RENDER = "https://render.com/docs/environment-variables"
_GITPOD = "https://www.gitpod.io/docs/classic/user/configure/workspaces/environment-variables"
_CODESANDBOX = "https://github.com/unjs/std-env/blob/main/src/providers.ts"
_CIRCLECI = "https://circleci.com/docs/reference/variables/"
_JENKINS = "https://www.jenkins.io/doc/book/pipeline/jenkinsfile/#using-environment-variables"
_BUILDKITE = "https://buildkite.com/docs/pipelines/configure/environment-variables"
_BITBUCKET = "https://support.atlassian.com/bitbucket-cloud/docs/variables-and-secrets/"
_AZURE_PIPELINES = "https://learn.microsoft.com/en-us/azure/devops/pipelines/build/variables"
_TRAVIS = "https://docs.travis-ci.com/user/environment-variables/"
_TEAMCITY = "https://www.jetbrains.com/help/teamcity/predefined-build-parameters.html"
_DRONE = "https://docs.drone.io/pipeline/environment/reference/"
_CODEBUILD = "https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html"
_GAE = "https://cloud.google.com/appengine/docs/standard/python3/runtime"
_FUNCTIONS = "https://cloud.google.com/functions/docs/configuring/env-var"
_VERCEL = "https://vercel.com/docs/environment-variables/system-environment-variables"
_NETLIFY = "https://docs.netlify.com/build/configure-builds/environment-variables/"
_SLURM = "https://slurm.schedmd.com/srun.html#SECTION_OUTPUT-ENVIRONMENT-VARIABLES"
_WOODPECKER = "https://woodpecker-ci.org/docs/usage/environment"
_CIRRUS = "https://cirrus-ci.org/guide/writing-tasks/#environment-variables"
_APPVEYOR = "https://www.appveyor.com/docs/environment-variables/"
_SEMAPHORE = "https://docs.semaphoreci.com/reference/env-vars"
_ARGO = "https://github.com/argoproj/argo-workflows/blob/main/workflow/common/common.go"
_COLAB = "https://github.com/clearml/clearml/pull/515"
_KAGGLE = "https://github.com/Kaggle/kagglehub/pull/230"
_DATABRICKS = "https://docs.databricks.com/aws/en/init-scripts/environment-variables"
_CODESPACES = (
    "https://docs.github.com/en/codespaces/developing-in-a-codespace/default-environment-variables-for-your-codespace"
)


class Variables(Record):
    """Variables that must all be set; `value` begins the value of the first one ("" for any).

    `unless` names those that another product sets beside the same variables, where it is to be told by its value as
    `NAME=` and how that begins.
    """

    names: tuple[str, ...]
    value: str
    id: str
    strength: Strength
    reference: str
    unless: tuple[str, ...] = ()


def _any_of(mark_id: str, reference: str, *names: str) -> tuple[Variables, ...]:
    """Return a row for each variable that says enough alone."""
    return tuple(Variables((name,), "", mark_id, Strength.STRONG, reference) for name in names)


def _with_first(mark_id: str, reference: str, first: str, *others: str) -> tuple[Variables, ...]:
    """Return a row for the first variable together with each of the others."""
    return tuple(Variables((first, other), "", mark_id, Strength.STRONG, reference) for other in others)


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
    *_with_first("cloud-run", _RUN, "CLOUD_RUN_WORKER_POOL", "CLOUD_RUN_REVISION", "CLOUD_RUN_WORKER_POOL_REVISION"),
    Variables(("WEBSITE_SITE_NAME", "WEBSITE_INSTANCE_ID"), "", "azure-app-service", Strength.STRONG, _AZURE),
    Variables(("DYNO", "PORT"), "", "heroku", Strength.STRONG, _HEROKU),
    Variables(("DYNO",), "", "heroku", Strength.HINT, _HEROKU),
    *_with_first("fly", _FLY, "FLY_APP_NAME", "FLY_REGION", "FLY_MACHINE_ID"),
    Variables(
        ("GITHUB_ACTIONS",),
        "true",
        "github-actions",
        Strength.STRONG,
        _ACTIONS,
        ("GITEA_ACTIONS", "FORGEJO_ACTIONS", "ACT=true"),
    ),
    # Runs GitHub's workflows on a developer's own machine; Gitea's and Forgejo's runners are made from it.
    Variables(("ACT",), "true", "act", Strength.STRONG, _ACT, ("GITEA_ACTIONS", "FORGEJO_ACTIONS")),
    Variables(("GITEA_ACTIONS",), "true", "gitea-actions", Strength.STRONG, _GITEA, ("FORGEJO_ACTIONS",)),
    Variables(("FORGEJO_ACTIONS",), "true", "forgejo-actions", Strength.STRONG, _FORGEJO),
    Variables(("GITLAB_CI",), "true", "gitlab-ci", Strength.STRONG, _GITLAB),
    Variables(("CODESPACES",), "true", "codespaces", Strength.STRONG, _CODESPACES),
    *_any_of("codespaces", _CODESPACES, "CODESPACE_NAME"),
    *_any_of(
        "azure-container-apps",
        _AZURE_CONTAINER_APPS,
        "CONTAINER_APP_NAME",
        "CONTAINER_APP_JOB_NAME",
        "CONTAINER_APP_REPLICA_NAME",
        "CONTAINER_APP_HOSTNAME",
        "CONTAINER_APP_ENV_DNS_SUFFIX",
    ),
    *_with_first(
        "azure-functions",
        _AZURE_FUNCTIONS,
        "FUNCTIONS_WORKER_RUNTIME",
        "FUNCTIONS_EXTENSION_VERSION",
        "WEBSITE_SITE_NAME",
        "WEBSITE_INSTANCE_ID",
        "WEBSITE_POD_NAME",
        "CONTAINER_NAME",
        "CONTAINER_APP_NAME",
    ),
    Variables(
        ("FUNCTIONS_EXTENSION_VERSION", "WEBSITE_SITE_NAME"), "", "azure-functions", Strength.STRONG, _AZURE_FUNCTIONS
    ),
    # Azure's tools for developers set it too.
    Variables(("FUNCTIONS_WORKER_RUNTIME",), "", "azure-functions", Strength.HINT, _AZURE_FUNCTIONS),
    *_any_of("home-assistant", _HOME_ASSISTANT, "SUPERVISOR_TOKEN", "HASSIO_TOKEN"),
    *_with_first("replit", _REPLIT, "REPL_ID", "REPL_OWNER", "REPL_SLUG"),
    Variables(("REPL_OWNER", "REPL_SLUG"), "", "replit", Strength.STRONG, _REPLIT),
    *_any_of("replit", _REPLIT, "REPLIT_DEPLOYMENT", "REPLIT_DEV_DOMAIN", "REPLIT_ENVIRONMENT", "REPLIT_CLUSTER"),
    # `railway run` gives a developer's own machine a project's variables, but no replica.
    *_any_of("railway", _RAILWAY, "RAILWAY_REPLICA_ID", "RAILWAY_DEPLOYMENT_ID"),
    *_with_first(
        "railway",
        _RAILWAY,
        "RAILWAY_PROJECT_ID",
        "RAILWAY_SERVICE_ID",
        "RAILWAY_ENVIRONMENT_ID",
        "RAILWAY_ENVIRONMENT",
        "RAILWAY_ENVIRONMENT_NAME",
    ),
    *_with_first("railway", _RAILWAY, "RAILWAY_ENVIRONMENT", "RAILWAY_SERVICE_NAME", "RAILWAY_SERVICE_ID"),
    *_with_first(
        "railway",
        _RAILWAY,
        "RAILWAY_ENVIRONMENT_NAME",
        "RAILWAY_SERVICE_NAME",
        "RAILWAY_SERVICE_ID",
        "RAILWAY_PROJECT_NAME",
    ),
    *_with_first("railway", _RAILWAY, "RAILWAY_PRIVATE_DOMAIN", "RAILWAY_PUBLIC_DOMAIN", "RAILWAY_SERVICE_NAME"),
    *_with_first("railway", _RAILWAY, "RAILWAY_STATIC_URL", "RAILWAY_GIT_COMMIT_SHA", "RAILWAY_PUBLIC_DOMAIN"),
    Variables(("RENDER",), "true", "render", Strength.STRONG, _RENDER),
    *_any_of(
        "render", _RENDER, "RENDER_SERVICE_ID", "RENDER_INSTANCE_ID", "RENDER_EXTERNAL_URL", "RENDER_EXTERNAL_HOSTNAME"
    ),
    *_any_of(
        "gitpod", _GITPOD, "GITPOD_WORKSPACE_ID", "GITPOD_INSTANCE_ID", "GITPOD_WORKSPACE_URL", "GITPOD_ENVIRONMENT_ID"
    ),
    *_any_of("codesandbox", _CODESANDBOX, "CODESANDBOX_SSE", "CODESANDBOX_HOST", "CSB_BASE_PREVIEW_HOST"),
    Variables(("CSB",), "true", "codesandbox", Strength.STRONG, _CODESANDBOX),
    Variables(("CIRCLECI",), "true", "circleci", Strength.STRONG, _CIRCLECI),
    *_any_of("circleci", _CIRCLECI, "CIRCLE_BUILD_NUM", "CIRCLE_WORKFLOW_ID"),
    *_with_first("jenkins", _JENKINS, "JENKINS_URL", "BUILD_ID", "BUILD_NUMBER", "EXECUTOR_NUMBER", "JOB_NAME"),
    # What the agent's own image is given; a person's command line client has the URL alone.
    *_with_first("jenkins", _JENKINS, "JENKINS_URL", "JENKINS_AGENT_NAME", "JENKINS_SECRET", "JENKINS_NODE_COOKIE"),
    Variables(("BUILD_TAG", "JOB_NAME"), "jenkins-", "jenkins", Strength.STRONG, _JENKINS),
    Variables(("BUILDKITE",), "true", "buildkite", Strength.STRONG, _BUILDKITE),
    *_any_of("buildkite", _BUILDKITE, "BUILDKITE_BUILD_ID", "BUILDKITE_JOB_ID"),
    *_any_of(
        "bitbucket-pipelines",
        _BITBUCKET,
        "BITBUCKET_BUILD_NUMBER",
        "BITBUCKET_PIPELINE_UUID",
        "BITBUCKET_STEP_UUID",
        "BITBUCKET_COMMIT",
    ),
    Variables(("TF_BUILD",), "True", "azure-pipelines", Strength.STRONG, _AZURE_PIPELINES),
    Variables(("TRAVIS",), "true", "travis-ci", Strength.STRONG, _TRAVIS),
    Variables(("TEAMCITY_VERSION",), "", "teamcity", Strength.STRONG, _TEAMCITY),
    # Woodpecker began as Drone, and long set its variables too.
    Variables(("DRONE",), "true", "drone", Strength.STRONG, _DRONE, ("CI=woodpecker",)),
    Variables(("CI",), "woodpecker", "woodpecker", Strength.STRONG, _WOODPECKER),
    Variables(("CIRRUS_CI",), "true", "cirrus-ci", Strength.STRONG, _CIRRUS),
    Variables(("APPVEYOR",), "", "appveyor", Strength.STRONG, _APPVEYOR),
    Variables(("SEMAPHORE",), "true", "semaphore", Strength.STRONG, _SEMAPHORE),
    *_any_of("codebuild", _CODEBUILD, "CODEBUILD_BUILD_ID"),
    *_with_first(
        "argo-workflows", _ARGO, "ARGO_CONTAINER_NAME", "ARGO_NODE_ID", "ARGO_TEMPLATE", "ARGO_INCLUDE_SCRIPT_OUTPUT"
    ),
    *_any_of("kaggle", _KAGGLE, "KAGGLE_KERNEL_RUN_TYPE"),
    # Kaggle's image is made from Colab's, and keeps its variables.
    *(
        Variables((name,), "", "colab", Strength.STRONG, _COLAB, ("KAGGLE_KERNEL_RUN_TYPE",))
        for name in ("COLAB_RELEASE_TAG", "COLAB_GPU")
    ),
    *_any_of("databricks", _DATABRICKS, "DATABRICKS_RUNTIME_VERSION"),
    Variables(("GAE_SERVICE", "GAE_INSTANCE"), "", "app-engine", Strength.STRONG, _GAE),
    Variables(("FUNCTION_TARGET", "K_SERVICE"), "", "cloud-functions", Strength.STRONG, _FUNCTIONS),
    # Without a region it is `vercel dev` or `vercel env pull` on a developer's own machine.
    Variables(("VERCEL", "VERCEL_REGION"), "1", "vercel", Strength.STRONG, _VERCEL),
    Variables(("NETLIFY",), "true", "netlify", Strength.STRONG, _NETLIFY),
    # `salloc` leaves a shell on the login node with the job's number alone.
    *_with_first("slurm", _SLURM, "SLURM_JOB_ID", "SLURM_STEP_ID", "SLURMD_NODENAME"),
    Variables(("SLURM_JOB_ID",), "", "slurm", Strength.HINT, _SLURM),
)


_CROSTINI = "https://chromium.googlesource.com/chromiumos/docs/+/HEAD/containers_and_vms.md"


class EngineMount(Record):
    """A mount that an engine's Linux machine leaves in its containers: one of the fields is given, or type and source.

    `source` begins the mount's source; `<n>` at its end stands for a number and the end.
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
    EngineMount(
        "", "", "/desktop-containerd/", "docker-desktop", "https://github.com/docker/desktop-feedback/issues/176"
    ),
    EngineMount("", "", "/host_mnt/", "docker-desktop", "https://docs.docker.com/desktop/"),
    EngineMount("", "", "/Docker/host", "docker-desktop", "https://docs.docker.com/desktop/features/wsl/"),
    # The tags that Lima, and Colima with it, gives the Mac's folders.
    EngineMount("virtiofs", "mount<n>", "", "lima", "https://lima-vm.io/docs/config/mount/"),
    EngineMount("9p", "mount<n>", "", "lima", "https://lima-vm.io/docs/config/mount/"),
    # The Mac's end of Lima's ssh serves the folder, so that no host stands before the colon.
    EngineMount("fuse.sshfs", ":/Users/", "", "lima", "https://lima-vm.io/docs/config/mount/#reverse-sshfs"),
    EngineMount("fuse.sshfs", ":/tmp/lima", "", "lima", "https://lima-vm.io/docs/config/mount/#reverse-sshfs"),
    EngineMount("", "", "/opt/google/cros-containers", "crostini", _CROSTINI),
    EngineMount("", "", "/mnt/chromeos", "crostini", _CROSTINI),
    EngineMount("", "orbstack", "", "orbstack", "https://docs.orbstack.dev/architecture"),
    EngineMount(
        "",
        "",
        "/var/home/core/.local/share/containers/",
        "podman-machine",
        "https://docs.podman.io/en/latest/markdown/podman-machine.1.html",
    ),
)
