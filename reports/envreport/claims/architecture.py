"""Claims on kernels, hypervisors and what is emulated."""

from dataclasses import dataclass, replace

from envbench.records.metrics import words
from envbench.records.phases import Experiment, Phase, Unit, counted
from envreport.claims.combine import (
    Answered,
    Bearing,
    Beside,
    FirstOf,
    OfOne,
    OneWay,
    OnlyWhere,
    Within,
    all_of,
    observe,
)
from envreport.claims.conditions import is_inside_wsl
from envreport.claims.model import Claim, Finding, Need, Outcome, Rule, Theme
from envreport.claims.references import NAMESPACES, WSL_REMEDY, WSL_VERSIONS
from envreport.claims.rules import C, Observation, Threshold, V, accelerator_of, conclude, find
from envreport.claims.verdict import Answer, Limit, LimitKind, Quantifier, Relation, TcgBias, Verdict
from envreport.results import Results, Series
from envreport.results.backends import Side

K = Experiment.KERNEL
DESKTOP_REMEDY = "Run on a machine whose Docker engine is Docker Desktop."
WINDOWS_IMAGE_REMEDY = (
    "`envbench kernel --backend docker` loads an image that is marked os=windows and tries to start it."
)
OCI_CONFIG = "https://github.com/opencontainers/image-spec/blob/main/config.md"
DESKTOP = "https://docs.docker.com/desktop/features/wsl/"
HYPER_V = "https://learn.microsoft.com/virtualization/hyper-v-on-windows/reference/hyper-v-architecture"
BINFMT = "https://docs.kernel.org/admin-guide/binfmt-misc.html"
QEMU_USER = "https://www.qemu.org/docs/master/user/main.html"
WINDOWS_CONTAINERS = (
    "https://learn.microsoft.com/virtualization/windowscontainers/deploy-containers/version-compatibility"
)
DESKTOP_ENGINE = "engine_is_desktop"
IN_ITS_VM = "the client may be inside the engine's VM itself"
REFUSED = Observation(K, "windows_image_refused", C)
UPTIME = "uptime_starts_at_zero"
GUEST_CLOCK = "the guest's own clock, which an emulator may let run too fast, shows no more"


@dataclass(frozen=True, slots=True)
class HostLayer:
    """The layers that envinspect found around this machine: some layer ids support the claim, others contradict it."""

    holds: tuple[str, ...]
    fails: tuple[str, ...]
    words: str
    hypervisor_types: bool = False
    """Compare each VM layer's hypervisor type with the ids "1" and "2" in place of layer ids."""
    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return the test in words."""
        return self.words

    def needs(self) -> tuple[Need, ...]:
        """Return what must be there."""
        return (Need(None, self.words, what=" or ".join((*self.holds, *self.fails))),)

    def judge(self, results: Results) -> Outcome:
        """Look through the layers in run.json."""
        found = []
        for layer in results.host.layers:
            mark = str(layer.hypervisor_type) if self.hypervisor_types else layer.id
            name = layer.title
            if mark in self.holds or mark in self.fails:
                text = f"{name}, hypervisor type {mark}" if self.hypervisor_types else f"{name}, found by envinspect"
                answer = Answer.HOLDS if mark in self.holds else Answer.FAILS
                found.append(Finding(answer, "this machine", text, 1, note=f"confidence: {layer.confidence}"))
        return conclude(found, Quantifier.AGREE, self.bias, self.needs())


@dataclass(frozen=True, slots=True)
class Examples:
    """Things that some instance can do: each that was seen is an example, and the verdict says how many there are."""

    experiment: Experiment
    metrics: tuple[str, ...]
    sides: tuple[Side, ...]
    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return the test in words."""
        return f"{' or '.join(map(words, self.metrics))}, as examples"

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been tried."""
        return tuple(Need(self.experiment, metric, self.sides) for metric in self.metrics)

    def judge(self, results: Results) -> Outcome:
        """Count the examples; a missing one leaves the claim open, because the fault may lie in this program."""
        outcomes = [
            OneWay(Observation(self.experiment, metric, self.sides), Answer.HOLDS, "one attempt that failed").judge(
                results
            )
            for metric in self.metrics
        ]
        found = [finding for outcome in outcomes for finding in outcome.findings]
        outcome = conclude(found, Quantifier.AGREE, self.bias, self.needs())
        count = sum(each.answer is Answer.HOLDS for each in found)
        limit = Limit(LimitKind.EXAMPLES, f"by {counted(count, 'example')} on this one host")
        holds = outcome.weighed is not None and outcome.weighed.answer is Answer.HOLDS
        return replace(outcome, limits=(limit,) if holds else ())


@dataclass(frozen=True, slots=True)
class BootedHere:
    """Whether a machine's kernel was booted for its start: seen from outside on its serial line, or by its own uptime.

    The guest's clock shows it one way only. An emulated one may run several times too fast on a busy machine, and a
    guest that was restored was booted before.
    """

    bias: TcgBias = TcgBias.NONE

    def describe(self) -> str:
        """Return the test in words."""
        return f"{words(UPTIME)}: yes (VM), or its kernel's boot was seen on its serial line"

    def needs(self) -> tuple[Need, ...]:
        """Return what must have been observed."""
        return (Need(K, UPTIME, V),)

    def judge(self, results: Results) -> Outcome:
        """Look at each machine; a clock that says no leaves it open."""
        found = [self._finding(results, each) for each in find(results, K, UPTIME, V)]
        return conclude(found, Quantifier.ALL, self.bias, self.needs())

    def _finding(self, results: Results, uptime: Series) -> Finding:
        kernel = results.series.get(uptime.key._replace(experiment=Experiment.STARTUP, phase=Phase.KERNEL))
        seen, keys = len(kernel.values) if kernel else 0, [uptime.key]
        text = f"{words(UPTIME)}: {'yes' if all(uptime.values) else 'no'}"
        if kernel and seen:
            text += f"; its kernel's boot was seen on its serial line in {counted(seen, 'start')}"
            keys.append(kernel.key)
        answer = Answer.HOLDS if seen or all(uptime.values) else Answer.OPEN
        note = "; ".join((*uptime.details[:3], *(() if all(uptime.values) else (GUEST_CLOCK,))))
        accel = accelerator_of(results, uptime)
        return Finding(answer, uptime.key.label, text, len(uptime.values), accel, note, tuple(keys))


def on_this_machine(rule: Rule, words: str = "on this one Linux host") -> Within:
    """Return a rule on all machines of a kind, of which a run sees one."""
    return Within(rule, Limit(LimitKind.THIS_MACHINE, words))


@dataclass(frozen=True, slots=True)
class OfDesktop(OfOne):
    """A rule on the engines that are Docker Desktop; the run's other engines have no part in it.

    Inside WSL 2 the client may be in the very VM that the engine is in: one kernel for both shows nothing there.
    """

    def judge(self, results: Results) -> Outcome:
        """Judge the rule on the rows of those engines."""
        desktops = {each.key.backend_key for each in results.find(K, DESKTOP_ENGINE) if all(each.values)}
        of_them = {key: each for key, each in results.series.items() if key.backend_key in desktops}
        rule = OneWay(self.rule, Answer.HOLDS, IN_ITS_VM) if is_inside_wsl(results) else self.rule
        return rule.judge(replace(results, series=of_them))


CLAIMS = (
    Claim(
        id="kernel-shared",
        theme=Theme.ARCHITECTURE,
        wording="A container uses the host's kernel",
        stands_in=("D0", "D2", "D3", "D4"),
        rule=observe(K, C, boot_id_equals_host=True, kernel_equals_host=True, visible_on_host=True),
        reference="https://docs.kernel.org/admin-guide/sysctl/kernel.html (random/boot_id: one value a boot)",
        scope="Ordinary containers of the engines and runtimes listed. gVisor and Kata put a kernel "
        "of their own in between and are shown apart.",
    ),
    Claim(
        id="kernel-own",
        theme=Theme.ARCHITECTURE,
        wording="A VM brings and boots its own kernel",
        stands_in=("D0", "D2", "D3", "D4"),
        rule=all_of(Observation(K, "boot_id_equals_host", V, expected=False), BootedHere()),
        reference="https://docs.kernel.org/admin-guide/sysctl/kernel.html (random/boot_id: one value a boot)",
        scope="The guests of this run, under the accelerator named; which accelerator runs them does "
        "not change whose kernel it is. Booted: by its serial line, seen from outside in `envbench startup`, or by the "
        "guest's own uptime.",
    ),
    Claim(
        id="wsl1-kernel",
        theme=Theme.ARCHITECTURE,
        wording="WSL runs Linux programs on the Windows kernel, with no kernel of its own",
        stands_in=("D0",),
        rule=on_this_machine(
            FirstOf(
                (
                    Observation(Experiment.WSL, "own_kernel", (Side.WSL,), expected=False),
                    HostLayer(("wsl1",), ("wsl2",), "the inspector finds WSL 1 (holds) or WSL 2 (fails)"),
                )
            ),
            "for this machine's WSL",
        ),
        reference=WSL_VERSIONS,
        scope="The WSL version this distribution runs under: true for WSL 1, false for WSL 2, whose "
        "Linux kernel runs in a utility VM.",
        reading="D0 describes WSL 1. WSL 2, the default since 2020, is a lightweight VM with a Linux "
        "kernel of its own.",
        remedy=WSL_REMEDY,
        by_references=Verdict.PARTLY_RIGHT,
    ),
    Claim(
        id="distro-mix",
        theme=Theme.ARCHITECTURE,
        wording="Containers of different distributions run on one host kernel",
        stands_in=("D2", "D3"),
        rule=Within(
            Observation(K, "two_userlands_one_kernel", C), Limit(LimitKind.EXAMPLES, "by the two userlands of this run")
        ),
        reference=NAMESPACES,
        scope="The two userlands of this run, this distribution's and another release's, each with its own shell and "
        "libraries; a program that needs a newer kernel than the host's is not covered.",
        remedy="sudo envbench fetch distro another, then envbench kernel.",
        partner="distro-kernel",
    ),
    Claim(
        id="distro-kernel",
        theme=Theme.ARCHITECTURE,
        wording="All distributions run the same kernel",
        stands_in=("D2",),
        rule=Beside(
            OneWay(
                Observation(K, "distribution_kernels_equal", V),
                Answer.FAILS,
                "equal ones show nothing of all the others",
            ),
            (OnlyWhere(Answered(K, "boot_id_equals_host", V), Observation(K, "all_kernels_equal", ())),),
        ),
        reference="https://www.kernel.org/releases.html",
        scope="The kernels that two releases of this distribution bring, each booted. Same project, different versions "
        "and patches. The kernels of the host and of this run's guests stand beside.",
        remedy="envbench fetch kernel foreign, then envbench kernel.",
        reading="D3 corrects D2: distributions ship different versions of one project's kernel. In "
        "containers, the host's release is all there is.",
        partner="distro-mix",
        disagreement="D2 says that the kernel remains the same; D3 says that distributions do not "
        "all use the same kernel version.",
    ),
    Claim(
        id="vm-any-os",
        theme=Theme.ARCHITECTURE,
        wording="A VM can run any OS on any host OS",
        stands_in=("D2",),
        rule=OnlyWhere(
            Answered(K, "guest_not_linux_ready", V), Examples(K, ("guest_not_linux_ready", "guest_other_arch_ready"), V)
        ),
        reference="https://www.qemu.org/docs/master/system/targets.html",
        scope="A guest that is not Linux, and one of another CPU architecture beside it, as examples: they are "
        "counted, and no number of them makes it any OS, nor this host any host. Licences and missing drivers may "
        "still forbid an OS.",
    ),
    Claim(
        id="container-os-bound",
        theme=Theme.ARCHITECTURE,
        wording="A container image built for another OS kernel (Windows) does not run on a Linux host",
        stands_in=("D2", "D3"),
        rule=REFUSED,
        reference=OCI_CONFIG,
        scope="The engines of this run and an image whose configuration says os=windows, with a program for Windows in "
        "it; their own words are the evidence. One that lets the mark pass leaves the refusal to the kernel.",
        remedy=WINDOWS_IMAGE_REMEDY,
        partner="emulation-os",
    ),
    Claim(
        id="emulation-arch",
        theme=Theme.ARCHITECTURE,
        wording="Images of another CPU architecture run through QEMU and binfmt_misc, less "
        "efficiently than native ones",
        stands_in=("D3",),
        rule=Beside(
            all_of(
                Observation(K, "foreign_arch_runs", C),
                Threshold(K, "foreign_arch_slowdown", C, Relation.MORE, 1.0, Unit.RATIO),
            ),
            (Observation(K, "binfmt_registered", ()),),
        ),
        reference=BINFMT,
        scope="The foreign architecture and the program of this run; the slow-down differs between programs. Where "
        "this machine had no handler, the run registered one for the experiment: that shows the way, and nothing of "
        "how this machine is set up.",
        remedy="Install qemu-user-static, and binfmt-support where binfmt_misc is not mounted.",
    ),
    Claim(
        id="emulation-os",
        theme=Theme.ARCHITECTURE,
        wording="The same emulation also runs Windows containers on Linux",
        stands_in=("D3",),
        rule=on_this_machine(
            OnlyWhere(
                Observation(K, "foreign_arch_runs", C, quantifier=Quantifier.SOME),
                Observation(K, "windows_image_refused", C, expected=False),
            )
        ),
        reference=QEMU_USER,
        scope="The engines of this run on this one host, where the emulation runs another CPU architecture's programs; "
        "without it a refusal shows nothing.",
        reading="User-mode QEMU translates CPU instructions and Linux system calls; it has no "
        "Windows system calls to offer.",
        remedy=WINDOWS_IMAGE_REMEDY,
        partner="container-os-bound",
        disagreement="D3 itself says elsewhere that Windows containers run only on Windows hosts.",
        by_references=Verdict.WRONG,
    ),
    Claim(
        id="desktop-vm",
        theme=Theme.ARCHITECTURE,
        wording="Docker Desktop runs Linux containers in a Linux VM on Windows, macOS and Linux",
        stands_in=("D3",),
        rule=on_this_machine(
            OnlyWhere(
                Observation(K, DESKTOP_ENGINE, (), quantifier=Quantifier.SOME),
                OfDesktop(Observation(K, "engine_kernel_equals_client", (), expected=False)),
            ),
            "on this one machine",
        ),
        reference=DESKTOP,
        scope="The engine this client talks to, if that is Docker Desktop; of the three systems, this machine's.",
        remedy=DESKTOP_REMEDY,
    ),
    Claim(
        id="desktop-no-hypervisor",
        theme=Theme.ARCHITECTURE,
        wording="On WSL 2 Docker needs no separate hypervisor",
        stands_in=("D3",),
        rule=Bearing(Observation(Experiment.WSL, "hyper_v", (Side.WSL,))),
        reference=HYPER_V,
        scope="That Hyper-V is underneath, seen inside WSL 2, bears on it and does not settle whether it is a separate "
        "one: that is a matter of words.",
        reading="No other hypervisor has to be installed, but WSL 2 itself is a guest of Hyper-V: "
        "there is a hypervisor, and it is needed.",
        remedy=WSL_REMEDY,
        by_references=Verdict.PARTLY_RIGHT,
    ),
    Claim(
        id="desktop-hosted",
        theme=Theme.ARCHITECTURE,
        wording='Docker Desktop\'s VM is "hosted" (type 2), not bare metal',
        stands_in=("D3",),
        rule=on_this_machine(
            OnlyWhere(
                all_of(
                    Observation(K, DESKTOP_ENGINE, (), quantifier=Quantifier.SOME),
                    HostLayer(("wsl2",), (), "the inspector finds WSL 2"),
                ),
                HostLayer(
                    ("2",),
                    ("1",),
                    "type of the hypervisor that the inspector finds under the engine",
                    hypervisor_types=True,
                ),
            ),
            "on this one machine",
        ),
        reference=HYPER_V,
        scope="Docker Desktop inside WSL 2, where engine and client are in one VM. Elsewhere what is around the client "
        "is not what carries the engine's VM.",
        reading="On Windows it runs on Hyper-V, a type 1 hypervisor, as D1 lists it; on macOS on "
        "Apple's framework, on Linux on KVM.",
        partner="hypervisor-types",
        disagreement="D3 calls Docker Desktop's VM hosted; D1 lists Hyper-V, which carries it on "
        "Windows, as bare metal.",
        remedy=DESKTOP_REMEDY,
        by_references=Verdict.PARTLY_RIGHT,
    ),
    Claim(
        id="hypervisor-types",
        theme=Theme.ARCHITECTURE,
        wording="Type 1: KVM, Hyper-V, vSphere. Type 2: VMware Workstation and Fusion, VirtualBox, "
        "Parallels, QEMU, UTM",
        stands_in=("D1",),
        rule=None,
        reference="Goldberg, Architectural Principles for Virtual Computer Systems (1973); https://docs.kernel.org/virt/kvm/",
        scope="A taxonomy; the environment section names what was found here and its type.",
        reading="Common usage agrees, with one snag: KVM makes the Linux kernel a hypervisor and "
        "QEMU is its user-space half, so a QEMU guest on KVM is "
        "both. QEMU alone (TCG) is an emulator, which Goldberg's types do not cover.",
        by_references=Verdict.PARTLY_RIGHT,
    ),
    Claim(
        id="hypervisor-terms",
        theme=Theme.ARCHITECTURE,
        wording='Type 1 hypervisors are "process VMs", type 2 are "system VMs"',
        stands_in=("D1",),
        rule=None,
        reference="Smith and Nair, The Architecture of Virtual Machines, IEEE Computer 38(5), 2005, "
        "doi:10.1109/MC.2005.173",
        scope="A definition.",
        reading="Not so in the literature: both types host system VMs. A process VM carries a single "
        "program: a language runtime such as the JVM, or user-mode QEMU.",
        by_references=Verdict.WRONG,
    ),
    Claim(
        id="hypervisor-needed",
        theme=Theme.ARCHITECTURE,
        wording="VMs need a hypervisor in place first, containers do not",
        stands_in=("D1",),
        rule=all_of(
            observe(K, C, hypervisor_process=False, needs_kvm_device=False),
            Observation(K, "hypervisor_process", V, accelerated=True),
        ),
        reference="https://docs.kernel.org/virt/kvm/api.html",
        scope="The processes of the instances of this run on this host. QEMU without KVM is an emulator and not"
        " counted "
        "as a hypervisor. The host may itself be a guest: see the environment section.",
    ),
    Claim(
        id="hardware-emulated",
        theme=Theme.ARCHITECTURE,
        wording="A VM is given emulated hardware, a container sees the host's",
        stands_in=("D1", "D4"),
        rule=all_of(observe(K, C, hardware_equals_host=True), observe(K, V, hardware_equals_host=False)),
        reference="https://www.qemu.org/docs/master/system/device-emulation.html",
        scope="CPU model, devices and firmware identity as read inside. With KVM the CPU itself is "
        "the host's, the rest is the VMM's.",
    ),
    Claim(
        id="windows-containers",
        theme=Theme.MANAGEMENT,
        wording="Windows containers run only on Windows hosts",
        stands_in=("D3",),
        rule=on_this_machine(REFUSED),
        reference=WINDOWS_CONTAINERS,
        scope="That this Linux engine refuses one; that all Windows hosts accept it is not measured.",
        reading="A Windows container shares a Windows kernel, and its version must fit the host's.",
        remedy=WINDOWS_IMAGE_REMEDY,
        partner="emulation-os",
        by_references=Verdict.RIGHT,
    ),
)
