#!/bin/sh
# Gets a Python 3.11 or newer with venv from the distribution, where there is none. Says what it did, or what is missing.
set -u
as_root=""
[ "$(id -u)" -eq 0 ] || as_root="sudo"
fits() { command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
for python in python3.13 python3.12 python3.11 python3; do
  fits $python && exit 0
done
if command -v apt-get >/dev/null 2>&1; then
  DEBIAN_FRONTEND=noninteractive
  export DEBIAN_FRONTEND
  $as_root apt-get update -qq >/dev/null 2>&1
  # The default Python first; older distributions carry a newer one beside it.
  for python in python3 python3.12 python3.11; do
    $as_root apt-get install -y --no-install-recommends -o APT::Keep-Downloaded-Packages=false $python $python-venv >/dev/null 2>&1
    if fits $python; then
      echo "python: installed $python"
      exit 0
    fi
  done
fi
echo "python: no Python 3.11 or newer with venv here; install one (Debian, Ubuntu: apt-get install python3 python3-venv)" >&2
exit 1
