"""What the isolation experiment runs inside: scripts for the payload's BusyBox shell that report `@key=value`.

None changes anything outside its own instance: what is tried on the kernel is undone or fails without effect.
"""

LIMITED_MEMORY_BYTES = 32 << 20
LIMITED_CPUS = 0.5
BUSY_S = 2
SIGHTS = ("processes", "names", "mounts", "memory", "files")

FACTS_SCRIPT = r"""
B=${ENVBENCH_BUSYBOX:-/bin/busybox}
put() { { read -r v <"$2"; } 2>/dev/null && [ "$v" ] && echo "@fact.$1=$v"; }
digest() {
  name=$1; shift
  v=$($B cat "$@" 2>/dev/null | $B sha256sum)
  [ "${v%% *}" != "$empty" ] && echo "@fact.$name=${v%% *}"
}
empty=$($B sha256sum </dev/null); empty=${empty%% *}
put boot_id /proc/sys/kernel/random/boot_id
put release /proc/sys/kernel/osrelease
put version /proc/version
put command_line /proc/cmdline
put hostname /proc/sys/kernel/hostname
put load /proc/loadavg
digest vulnerabilities /sys/devices/system/cpu/vulnerabilities/*
digest modules /proc/modules
digest partitions /proc/partitions
digest pci /proc/bus/pci/devices
digest kernel_parameters /proc/sys/kernel/pid_max /proc/sys/vm/swappiness /proc/sys/fs/file-max
{ read -r up _ </proc/uptime; } 2>/dev/null && echo "@fact.uptime=$up"
while read -r name value _; do
  case $name in MemTotal:) echo "@fact.memory=$value" ;; esac
done </proc/meminfo 2>/dev/null
echo "@fact.boot_time=$($B grep '^btime' /proc/stat 2>/dev/null)"
echo "@fact.cpu=$($B grep -m1 'model name' /proc/cpuinfo 2>/dev/null)"
echo "@fact.mounted_disks=$($B grep -o '^/dev/[a-z0-9]*' /proc/mounts 2>/dev/null | $B sort -u | $B tr '\n' ' ')"
for n in /proc/self/ns/*; do echo "@ns=${n##*/} $($B readlink "$n")"; done 2>/dev/null
while read -r name value _; do
  case $name in CapEff:) echo "@capabilities=$value" ;; Seccomp:) echo "@seccomp=$value" ;; esac
done </proc/self/status
log=$($B dmesg 2>/dev/null | $B head -n 1); [ "$log" ] && echo "@log=1" && echo "@fact.kernel_log=$log"
for d in $($B find /dev -type b 2>/dev/null) $($B find /dev -type c 2>/dev/null); do
  case $d in
    /dev/null|/dev/zero|/dev/full|/dev/random|/dev/urandom|/dev/tty|/dev/ptmx|/dev/console|/dev/pts/*) ;;
    *) echo "@device=$d" ;;
  esac
done
call() { name=$1; shift; echo "@tried=$name"; "$@" >/dev/null 2>&1 && echo "@call=$name"; }
mkdir_scratch=/tmp/envbench-scratch; $B mkdir -p $mkdir_scratch 2>/dev/null
call uname $B uname
call sched_getaffinity $B nproc
call statfs $B df /
call setsid $B setsid $B true
call clone_user $B unshare -U $B true
call clone_mount $B unshare -m $B true
call clone_network $B unshare -n $B true
call clone_ipc $B unshare -i $B true
call chroot $B chroot / "${ENVBENCH_BUSYBOX:-/bin/busybox}" true
call setpriority_lower $B nice -n -5 $B true
call sched_setscheduler $B chrt -f 1 $B true
call syslog $B dmesg
call setuid $B setuidgid 65534 $B true
call mknod $B mknod $mkdir_scratch/null c 1 3
call mount $B mount -t tmpfs none $mkdir_scratch
$B umount $mkdir_scratch 2>/dev/null; $B rm -rf $mkdir_scratch 2>/dev/null
echo @end=1
"""

MEMORY_SCRIPT = """
B=${ENVBENCH_BUSYBOX:-/bin/busybox}
$B dd if=/dev/zero of=/dev/null bs=96M count=1 2>/dev/null
echo "@status=$?"
"""
"""dd reads into one buffer of that size: all of it is touched."""

CPU_SCRIPT = f"""
B=${{ENVBENCH_BUSYBOX:-/bin/busybox}}
$B time -f '@cpu=%U %S %e' $B timeout {BUSY_S} $B sh -c 'while :; do :; done' 2>&1
"""
"""User and system CPU time and wall time, in seconds."""

NEIGHBOUR_SCRIPT = r"""
B=${ENVBENCH_BUSYBOX:-/bin/busybox}
$B sh -c 'while :; do '"$B"' sleep 5; done' TOKEN &
echo @left=processes; echo @left=names; echo @left=mounts
{ echo TOKEN >/dev/shm/TOKEN; } 2>/dev/null && echo @left=memory
{ echo TOKEN >/tmp/TOKEN; } 2>/dev/null && echo @left=files
read -r name </proc/sys/kernel/hostname && echo "@hostname=$name"
while read -r _ _ _ root mount rest; do [ "$mount" = / ] && echo "@root=$root ${rest##* - }"; done </proc/self/mountinfo
echo @end=1
"""

LOOK_SCRIPT = r"""
B=${ENVBENCH_BUSYBOX:-/bin/busybox}
read -r name </proc/sys/kernel/hostname && echo "@hostname=$name"
while read -r _ _ _ root mount rest; do [ "$mount" = / ] && echo "@root=$root ${rest##* - }"; done </proc/self/mountinfo
for p in /proc/[0-9]*; do
  line=$($B tr '\0' ' ' <$p/cmdline 2>/dev/null)
  case $line in *"; done TOKEN ") echo "@processes=pid ${p##*/}" ;; esac
done
for f in /proc/[0-9]*/environ /etc/hosts /etc/hostname; do
  $B grep -q 'ITS_NAME' $f 2>/dev/null && echo "@names=$f"
done
$B grep -F 'ITS_ROOT' /proc/self/mountinfo >/dev/null 2>&1 && echo "@mounts=its root"
[ -e /dev/shm/TOKEN ] && echo "@memory=/dev/shm/TOKEN"
n=$($B wc -l </proc/sysvipc/shm 2>/dev/null)
[ "${n:-0}" -gt 1 ] && echo "@memory=System V segments: $((n - 1))"
[ -e /tmp/TOKEN ] && echo "@files=/tmp/TOKEN"
for f in loadavg stat meminfo vmstat interrupts diskstats softirqs; do
  { read -r v </proc/$f; } 2>/dev/null && [ "$v" ] && echo "@indirect=/proc/$f"
done
echo @end=1
"""
