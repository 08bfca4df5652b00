#!/bin/sh
# Asks envinspect and its peers where they run, and prints the answers in sections: `=== NAME`, then what was printed.
# Runs inside every environment of the matrix; needs /bin/sh and a Python. Usage: ask.sh [-c] [-u] [PYTHON]
#   -c  also print a capture (gzipped tar as base64)      -u  also ask as user 65534, who may read less
capture="" unprivileged=""
while :; do
  case ${1:-} in
    -c) capture=yes ;;
    -u) unprivileged=yes ;;
    *) break ;;
  esac
  shift
done
here=${0%/*}
python=${1:-python3}
export PYTHONPATH="$here/lib" PYTHONDONTWRITEBYTECODE=1
PATH=$PATH:/usr/sbin:/sbin

section() { printf '\n=== %s\n' "$1"; }

# tell NAME COMMAND...: its stdout, its stderr and its exit code, each in a section of its own.
tell() {
  name=$1
  shift
  section "$name"
  { errors=$("$@" 2>&1 >&3 3>&-); code=$?; } 3>&1 </dev/null
  section "$name.stderr"
  printf '%s\n' "$errors"
  section "$name.exit"
  echo "$code"
}

tell envinspect "$python" -m envinspect --json
if [ "$unprivileged" ]; then
  tell unprivileged setpriv --reuid 65534 --regid 65534 --clear-groups "$python" -m envinspect --json
fi
tell systemd-vm systemd-detect-virt --vm
tell systemd-container systemd-detect-virt --container
tell virt-what virt-what
if [ "$capture" ]; then
  for folder in /tmp /dev/shm /run; do
    file=$folder/envinspect-capture.tar.gz
    "$python" -m envinspect capture "$file" >/dev/null 2>"$folder/envinspect-capture.log" && break
  done 2>/dev/null
  section capture
  base64 "$file" 2>/dev/null || busybox base64 "$file"
  section capture.stderr
  cat "$folder/envinspect-capture.log"
  rm -f "$file" "$folder/envinspect-capture.log"
fi
section end
