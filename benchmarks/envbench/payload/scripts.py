"""The shell scripts and units of the payload: what says the ready line, and what a machine runs to get there."""

READY_SCRIPT = """\
#!/bin/busybox sh
# ready NONCE [facts] [idle] [-- COMMAND ARGUMENT...]
# Shell built-ins only until the line is out: a fork would be timed as part of the start.
facts= idle= nonce=
while [ $# -gt 0 ]; do
  case $1 in
    --) shift; break ;;
    facts) facts=1 ;;
    idle) idle=1 ;;
    *) nonce=$1 ;;
  esac
  shift
done
# Before the ready line: process 1 of a container ignores a SIGTERM without a handler, and takes 10 s to stop then.
[ "$idle" ] && trap 'kill $! 2>/dev/null; exit 0' TERM INT
{ read -r uptime _ </proc/uptime; } 2>/dev/null
# ash reads the clock by itself (microseconds); its `date` knows no %N.
realtime=$EPOCHREALTIME
echo "ENVBENCH-READY $nonce realtime_ns=${realtime:+${realtime/./}000} uptime_s=$uptime"
fact() {
  { read -r value <"$2"; } 2>/dev/null && echo "ENVBENCH-FACT $1=$value"
}
if [ "$facts" ]; then
  fact boot_id /proc/sys/kernel/random/boot_id
  fact kernel_release /proc/sys/kernel/osrelease
  fact kernel_version /proc/version
  fact hostname /proc/sys/kernel/hostname
  fact clocksource /sys/devices/system/clocksource/clocksource0/current_clocksource
  [ "$uptime" ] && echo "ENVBENCH-FACT uptime_s=$uptime"
  echo "ENVBENCH-FACT pid=$$"
  echo "ENVBENCH-FACT end=1"
fi
if [ $# -gt 0 ]; then
  "$@"
  echo "ENVBENCH-EXIT $nonce status=$?"
fi
if [ "$idle" ]; then
  # A child in `wait`: as process 1 a plain sleep would never see SIGTERM, and a loop would cost CPU.
  while :; do
    "${ENVBENCH_BUSYBOX:-/bin/busybox}" sleep 86400 &
    wait $!
  done
fi
exit 0
"""

INIT_SCRIPT = """\
#!/bin/busybox sh
# First process of a machine: run the payload on the console, then power off or wait for the word "stop".
echo ENVBENCH-INIT
/bin/busybox mount -t proc proc /proc
stay=
if [ -r /envbench/start ]; then
  . /envbench/start
else
  set -- /envbench/ready
  for word in $(/bin/busybox cat /proc/cmdline); do
    case $word in
      envbench.nonce=*) set -- "$@" "${word#*=}" ;;
      envbench.facts=1) set -- "$@" facts ;;
      envbench.stay=1) stay=1 ;;
    esac
  done
fi
mounts() {
  /bin/busybox mount -t sysfs sys /sys
  /bin/busybox mount -t devtmpfs dev /dev
}
case " $* " in
  # Only these need more than /proc; the plain ready line does not wait for mounts it never reads.
  *" facts "* | *" -- "*) mounts ;;
esac
if [ "$stay" ]; then
  # ash opens this for what it runs in the background, and there is no devtmpfs yet: an empty file will do.
  [ -e /dev/null ] || : >/dev/null
  "$@" &
  while read -r word && [ "$word" != stop ]; do :; done
else
  "$@"
fi
# Machines without ACPI cannot power off: a reset ends them too, for the VMM runs with -no-reboot.
/bin/busybox poweroff -f
/bin/busybox reboot -f
"""

MARKER_UNIT = """\
[Unit]
Description=Says that the default target has been reached
After=graphical.target

[Service]
ExecStart=/envbench/marker
StandardInput=null
"""

MARKER_SCRIPT = """\
#!/bin/sh
# Runs what the second disk says, on the console; powers off when it has ended or, if asked to stay, at the word "stop".
exec </dev/console >/dev/console 2>&1
stay=
eval "$(tr -d '\\0' </dev/vdb)"
if [ "$stay" ]; then
  "$@" &
  while read -r word && [ "$word" != stop ]; do :; done
else
  "$@"
fi
exec systemctl poweroff
"""

NETWORK = """\
[Match]
Name=en* eth*

[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no
"""
"""systemd.network(5): what a machine with one card and a DHCP server needs."""

LOGIN_UNIT = """\
[Unit]
Description=SSH server for whoever has a key of root's

[Service]
ExecStartPre=/usr/bin/dropbearkey -t ecdsa -f /run/dropbear-key
ExecStart=/usr/sbin/dropbear -F -E -s -r /run/dropbear-key
"""

SERVE_SCRIPT = """\
#!/bin/sh
# As entry points of images do: takes what came by the environment, then becomes the service.
echo "$ENVBENCH_NONCE" >/var/www/html/index.html
exec nginx -g 'daemon off;'
"""

PAGE_UNIT = """\
[Unit]
Description=Writes the page that tells this start from others; powers off at the word "stop" on the console
Before=nginx.service

[Service]
ExecStartPre=/envbench/page
ExecStart=/envbench/stop
"""

PAGE_SCRIPT = """\
#!/bin/sh
# The second disk holds this start's own line: nonce=...
eval "$(tr -d '\\0' </dev/vdb)"
echo "$nonce" >/var/www/html/index.html
"""

STOP_SCRIPT = """\
#!/bin/sh
exec </dev/console
while read -r word && [ "$word" != stop ]; do :; done
exec systemctl poweroff
"""
