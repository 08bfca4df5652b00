"""Catalogue rows for what sits inside the machine: WSL, containers, sandboxes, emulation, hosts, orchestrators."""

from __future__ import annotations

from envinspect.model import Kind
from envinspect.signatures import Entry

_OTHER = "container-other"
"""What systemd-detect-virt prints for a container that it has no name for."""


def _container(
    container_id: str,
    name: str,
    reference: str,
    systemd: str = _OTHER,
    virt_what: str = "",
    refines: str = "container",
    note: str = "",
) -> Entry:
    return Entry(Kind.CONTAINER, container_id, name, None, reference, systemd, virt_what, refines, note)


def _sandbox(sandbox_id: str, name: str, reference: str, systemd: str = "", refines: str = "", note: str = "") -> Entry:
    return Entry(Kind.SANDBOX, sandbox_id, name, None, reference, systemd, "", refines, note)


def _mark(kind: Kind, mark_id: str, name: str, reference: str, refines: str = "", note: str = "") -> Entry:
    return Entry(kind, mark_id, name, None, reference, "", "", refines, note)


def _orchestrator(mark_id: str, name: str, reference: str, refines: str = "") -> Entry:
    return _mark(Kind.ORCHESTRATOR, mark_id, name, reference, refines)


_CONTAINERS = (
    _container("container", "Linux container", "https://man7.org/linux/man-pages/man7/namespaces.7.html", refines=""),
    _container("docker", "Docker container", "https://docs.docker.com/engine/", "docker", "docker"),
    _container("podman", "Podman container", "https://docs.podman.io/en/latest/", "podman", "podman"),
    _container("containerd", "containerd container", "https://github.com/containerd/containerd/blob/main/docs/ops.md"),
    _container("cri-o", "CRI-O container", "https://cri-o.io/"),
    _container("lxc", "LXC container", "https://linuxcontainers.org/lxc/", "lxc", "lxc"),
    _container("lxd", "LXD container", "https://documentation.ubuntu.com/lxd/", "lxc", "lxc", "lxc"),
    _container("incus", "Incus container", "https://linuxcontainers.org/incus/", "lxc", "lxc", "lxc"),
    _container(
        "systemd-nspawn",
        "systemd-nspawn container",
        "https://www.freedesktop.org/software/systemd/man/latest/systemd-nspawn.html",
        "systemd-nspawn",
    ),
    _container("openvz", "OpenVZ container", "https://wiki.openvz.org/", "openvz", "openvz"),
    _container("virtuozzo", "Virtuozzo container", "https://docs.virtuozzo.com/", "openvz", "openvz", "openvz"),
    _container(
        "linux-vserver", "Linux-VServer guest", "https://en.wikipedia.org/wiki/Linux-VServer", "", "linux_vserver-guest"
    ),
    _container("rkt", "rkt pod", "https://github.com/rkt/rkt", "rkt"),
    _container("pouch", "PouchContainer container", "https://github.com/AliyunContainerService/pouch", "pouch"),
    _container("garden", "Cloud Foundry Garden container", "https://github.com/cloudfoundry/garden-runc-release"),
    _container("apptainer", "Apptainer (Singularity) container", "https://apptainer.org/docs/user/latest/", ""),
    _container("charliecloud", "Charliecloud container", "https://hpc.github.io/charliecloud/", ""),
    _container("buildah", "Buildah build step", "https://github.com/containers/buildah", "podman", "podman"),
    _container("buildkit", "BuildKit build step", "https://github.com/moby/buildkit"),
    _container("gvisor", "gVisor container", "https://gvisor.dev/docs/"),
    _container(
        "kata",
        "Kata container",
        "https://katacontainers.io/docs/",
        note="runs in a virtual machine of its own, which is a layer too",
    ),
    _container("sysbox", "Sysbox container", "https://github.com/nestybox/sysbox"),
    _container("lxc-libvirt", "libvirt-lxc container", "https://libvirt.org/drvlxc.html", "lxc-libvirt"),
    _container(
        "illumos-lx",
        "illumos LX zone",
        "https://www.omnios.org/info/lxzones.html",
        virt_what="illumos-lx",
        note="Linux system calls served by the illumos kernel",
    ),
    _container("toolbox", "Toolbox container", "https://containertoolbx.org/", "podman", "podman", "podman"),
)

_WSL = (
    Entry(
        Kind.WSL,
        "wsl1",
        "Windows Subsystem for Linux 1",
        None,
        "https://learn.microsoft.com/en-us/windows/wsl/compare-versions",
        "wsl",
        note="no virtual machine: the Windows kernel serves Linux system calls",
    ),
    Entry(
        Kind.WSL,
        "wsl2",
        "Windows Subsystem for Linux 2",
        None,
        "https://learn.microsoft.com/en-us/windows/wsl/compare-versions",
        "wsl",
        note="a distribution in a lightweight Hyper-V virtual machine with a Linux kernel of its own",
    ),
)

_SANDBOXES = (
    _sandbox("bubblewrap", "Bubblewrap sandbox", "https://github.com/containers/bubblewrap", _OTHER),
    _sandbox(
        "flatpak",
        "Flatpak sandbox",
        "https://docs.flatpak.org/en/latest/sandbox-permissions.html",
        _OTHER,
        "bubblewrap",
    ),
    _sandbox("snap", "Snap confinement", "https://snapcraft.io/docs/snap-confinement"),
    _sandbox("firejail", "Firejail sandbox", "https://firejail.wordpress.com/", _OTHER),
    _sandbox(
        "proot",
        "PRoot",
        "https://proot-me.github.io/",
        "proot",
        note="ptrace rewrites paths: no namespace, no privilege, no isolation from a process that knows",
    ),
    _sandbox(
        "fakechroot",
        "fakechroot",
        "https://github.com/dex4er/fakechroot/wiki",
        note="a preloaded library rewrites paths: no namespace, no privilege, no isolation from a process that knows",
    ),
    _sandbox(
        "nix-build",
        "Nix build sandbox",
        "https://nix.dev/manual/nix/stable/command-ref/conf-file.html#conf-sandbox",
        _OTHER,
        note="Guix builds in the same way",
    ),
    _sandbox("mkosi-sandbox", "mkosi-sandbox", "https://github.com/systemd/mkosi/blob/main/mkosi/sandbox.py"),
)

_EMULATION = (
    _mark(Kind.EMULATION, "qemu-user", "QEMU user-mode emulation", "https://www.qemu.org/docs/master/user/main.html"),
    _mark(
        Kind.EMULATION,
        "rosetta",
        "Rosetta translation",
        "https://developer.apple.com/documentation/virtualization/running-intel-binaries-in-linux-vms-with-rosetta",
    ),
    Entry(
        Kind.EMULATION,
        "lx86",
        "PowerVM Lx86 translation",
        None,
        "https://en.wikipedia.org/wiki/PowerVM_Lx86",
        "",
        "powervm_lx86",
    ),
)

_EMULATED_KERNELS = (
    _mark(
        Kind.EMULATION,
        "linuxulator",
        "FreeBSD's Linuxulator",
        "https://docs.freebsd.org/en/books/handbook/linuxemu/",
        note="Linux system calls served by the FreeBSD kernel",
    ),
)

_CHROOT = (_mark(Kind.CHROOT, "chroot", "chroot", "https://man7.org/linux/man-pages/man2/chroot.2.html"),)

_ROLES = (
    _mark(Kind.ROLE, "docker-host", "Docker host", "https://docs.docker.com/engine/daemon/"),
    _mark(Kind.ROLE, "podman-host", "Podman host", "https://docs.podman.io/en/latest/"),
    _mark(Kind.ROLE, "lxd-host", "LXD or Incus host", "https://documentation.ubuntu.com/lxd/"),
    Entry(Kind.ROLE, "openvz-host", "OpenVZ host", None, "https://wiki.openvz.org/", "none"),
    _mark(Kind.ROLE, "linux-vserver-host", "Linux-VServer host", "https://en.wikipedia.org/wiki/Linux-VServer"),
    _mark(Kind.ROLE, "wsl-host", "WSL host", "https://learn.microsoft.com/en-us/windows/wsl/"),
)

_ORCHESTRATORS = (
    # Innermost first: jobs and workspaces, then what runs one's program, then what schedules its containers.
    _orchestrator(
        "github-actions",
        "GitHub Actions",
        "https://docs.github.com/en/actions/reference/workflows-and-actions/variables",
    ),
    _orchestrator("act", "act (GitHub's workflows run locally)", "https://nektosact.com/"),
    _orchestrator("forgejo-actions", "Forgejo Actions", "https://forgejo.org/docs/latest/user/actions/overview/"),
    _orchestrator("gitea-actions", "Gitea Actions", "https://docs.gitea.com/usage/actions/overview"),
    _orchestrator("gitlab-ci", "GitLab CI/CD", "https://docs.gitlab.com/ci/variables/predefined_variables/"),
    _orchestrator("circleci", "CircleCI", "https://circleci.com/docs/"),
    _orchestrator("jenkins", "Jenkins", "https://www.jenkins.io/doc/"),
    _orchestrator("buildkite", "Buildkite", "https://buildkite.com/docs"),
    _orchestrator(
        "bitbucket-pipelines",
        "Bitbucket Pipelines",
        "https://support.atlassian.com/bitbucket-cloud/docs/get-started-with-bitbucket-pipelines/",
    ),
    _orchestrator("azure-pipelines", "Azure Pipelines", "https://learn.microsoft.com/en-us/azure/devops/pipelines/"),
    _orchestrator("travis-ci", "Travis CI", "https://docs.travis-ci.com/"),
    _orchestrator("teamcity", "TeamCity", "https://www.jetbrains.com/help/teamcity/"),
    _orchestrator("drone", "Drone CI", "https://docs.drone.io/"),
    _orchestrator("woodpecker", "Woodpecker CI", "https://woodpecker-ci.org/docs/intro"),
    _orchestrator("cirrus-ci", "Cirrus CI", "https://cirrus-ci.org/"),
    _orchestrator("appveyor", "AppVeyor", "https://www.appveyor.com/docs/"),
    _orchestrator("semaphore", "Semaphore", "https://docs.semaphoreci.com/"),
    _orchestrator("codebuild", "AWS CodeBuild", "https://docs.aws.amazon.com/codebuild/"),
    _orchestrator("tekton", "Tekton", "https://tekton.dev/docs/pipelines/"),
    _orchestrator("argo-workflows", "Argo Workflows", "https://argo-workflows.readthedocs.io/en/latest/"),
    _orchestrator(
        "codespaces",
        "GitHub Codespaces",
        "https://docs.github.com/en/codespaces/developing-in-a-codespace/default-environment-variables-for-your-codespace",
    ),
    _orchestrator("gitpod", "Gitpod", "https://www.gitpod.io/docs"),
    _orchestrator("codesandbox", "CodeSandbox", "https://codesandbox.io/docs"),
    _orchestrator("replit", "Replit", "https://docs.replit.com/"),
    _orchestrator("colab", "Google Colab", "https://research.google.com/colaboratory/faq.html"),
    _orchestrator("kaggle", "Kaggle notebook", "https://www.kaggle.com/docs/notebooks"),
    _orchestrator("databricks", "Databricks", "https://docs.databricks.com/"),
    _orchestrator("slurm", "Slurm step", "https://slurm.schedmd.com/"),
    _orchestrator("azure-functions", "Azure Functions", "https://learn.microsoft.com/en-us/azure/azure-functions/"),
    _orchestrator("cloud-functions", "Google Cloud Functions", "https://cloud.google.com/functions/docs"),
    _orchestrator(
        "aws-lambda", "AWS Lambda", "https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"
    ),
    _orchestrator("vercel", "Vercel", "https://vercel.com/docs"),
    _orchestrator("netlify", "Netlify", "https://docs.netlify.com/"),
    _orchestrator("home-assistant", "Home Assistant add-on", "https://www.home-assistant.io/addons/"),
    _orchestrator("railway", "Railway", "https://docs.railway.com/"),
    _orchestrator("render", "Render", "https://render.com/docs"),
    _orchestrator("heroku", "Heroku", "https://devcenter.heroku.com/articles/dynos"),
    _orchestrator("fly", "Fly.io", "https://fly.io/docs/machines/runtime-environment/"),
    _orchestrator("cloud-run", "Google Cloud Run", "https://cloud.google.com/run/docs/container-contract"),
    _orchestrator("app-engine", "Google App Engine", "https://cloud.google.com/appengine/docs"),
    _orchestrator(
        "azure-app-service",
        "Azure App Service",
        "https://learn.microsoft.com/en-us/azure/app-service/reference-app-settings",
    ),
    _orchestrator(
        "azure-container-apps", "Azure Container Apps", "https://learn.microsoft.com/en-us/azure/container-apps/"
    ),
    _orchestrator(
        "nomad", "HashiCorp Nomad", "https://developer.hashicorp.com/nomad/docs/reference/runtime-environment-settings"
    ),
    _orchestrator("docker-swarm", "Docker Swarm", "https://docs.docker.com/engine/swarm/"),
    _orchestrator("kubernetes", "Kubernetes", "https://kubernetes.io/docs/concepts/workloads/pods/"),
    _orchestrator(
        "aws-fargate",
        "AWS Fargate",
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate.html",
        "aws-ecs",
    ),
    _orchestrator("aws-ecs", "Amazon ECS", "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/"),
)
"""In the order in which they lie inside each other, innermost first: the order of `orchestrators` in the answer."""

_ENGINES = (
    _mark(Kind.ENGINE, "docker-desktop", "Docker Desktop", "https://docs.docker.com/desktop/"),
    _mark(Kind.ENGINE, "colima", "Colima", "https://github.com/abiosoft/colima", "lima"),
    _mark(Kind.ENGINE, "lima", "Lima", "https://lima-vm.io/docs/"),
    _mark(Kind.ENGINE, "orbstack", "OrbStack", "https://docs.orbstack.dev/"),
    _mark(Kind.ENGINE, "rancher-desktop", "Rancher Desktop", "https://docs.rancherdesktop.io/"),
    _mark(
        Kind.ENGINE,
        "podman-machine",
        "Podman machine",
        "https://docs.podman.io/en/latest/markdown/podman-machine.1.html",
    ),
    _mark(
        Kind.ENGINE,
        "crostini",
        "Crostini (Linux on ChromeOS)",
        "https://chromium.googlesource.com/chromiumos/docs/+/HEAD/containers_and_vms.md",
    ),
    _mark(Kind.ENGINE, "apple-container", "Apple container", "https://github.com/apple/container"),
)

INNER: tuple[Entry, ...] = (
    *_WSL,
    *_CONTAINERS,
    *_SANDBOXES,
    *_EMULATION,
    *_EMULATED_KERNELS,
    *_CHROOT,
    *_ROLES,
    *_ORCHESTRATORS,
    *_ENGINES,
)
