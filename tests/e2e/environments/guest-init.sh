#!/bin/busybox sh
# shellcheck shell=dash
# The first process of a guest that boots from an initramfs: mounts what a system has, runs the task, ends the machine.
# The kernel's command line says which task: ask.task=NAME runs /opt/envinspect/NAME.sh.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev 2>/dev/null
$b mkdir -p /dev/pts /dev/shm /run /tmp
$b mount -t tmpfs tmpfs /run
$b mount -t tmpfs tmpfs /tmp
$b mount -t tmpfs tmpfs /dev/shm
$b mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null
exec </dev/console >/dev/console 2>&1
task=ask arguments=-c
for word in $($b cat /proc/cmdline); do
  case $word in
    ask.task=*) task=${word#ask.task=} ;;
    ask.plain) arguments="" ;;
  esac
done
$b sh "/opt/envinspect/$task.sh" $arguments
# Not poweroff: without ACPI that only halts. QEMU ends at a reset, by its -no-reboot.
$b reboot -f
