#!/bin/sh
# Finds a Python of each minor version for noxfile.py: on PATH, among pyenv's, or in one of Debian's releases. The last are unpacked
# into the user's cache, never installed.
#
#   tools/pythons.sh            unpack what is missing; print the folder that holds the interpreters, for PATH
#
# Debian has one Python a release: 3.9 (bullseye), 3.11 (bookworm), 3.13 (trixie), 3.14 (sid). No release has 3.10 or 3.12.
# Needs root (to unpack trees), mmdebstrap and patchelf. What cannot be had is named on stderr; the rest goes on.
set -u

cache=${XDG_CACHE_HOME:-$HOME/.cache}/envinspect-pythons
# The mirror that this Debian uses itself; elsewhere mmdebstrap's own default.
# shellcheck disable=SC2016  # apt's own variable, not the shell's
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 2>/dev/null | head -n 1)}
mkdir -p "$cache/bin" || exit 1

missing() { printf 'pythons: %s: MISSING: %s\n' "$1" "$2" >&2; }

runs() { "$1" -c 'import ctypes, ssl, venv' >/dev/null 2>&1; }

# A shim of pyenv is on PATH for versions that it will not start, so each one is tried.
found() {
  runs "python$1" && return
  runs "$cache/bin/python$1" && return
  for candidate in "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python"$1"; do
    runs "$candidate" && ln -sf "$candidate" "$cache/bin/python$1" && return
  done
  return 1
}

# python VERSION SUITE PACKAGES: an interpreter that runs outside its tree, because it names its tree's own loader and libraries.
python() {
  version=$1 suite=$2 packages=$3
  tree=$cache/$suite
  program=$tree/usr/bin/python$version
  found "$version" && return
  for tool in mmdebstrap patchelf; do
    command -v $tool >/dev/null 2>&1 || { missing "python$version" "no $tool (try: apt-get install $tool)"; return; }
  done
  rm -rf "${tree:?}"
  if ! log=$(mmdebstrap --quiet --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --include="$packages" "$suite" "$tree" ${mirror:+"$mirror"} 2>&1); then
    missing "python$version" "$(printf '%s\n' "$log" | grep -m1 '^E:' || printf 'mmdebstrap failed')"
    rm -rf "${tree:?}"
    return
  fi
  libraries=$tree/lib/$(uname -m)-linux-gnu:$tree/usr/lib/$(uname -m)-linux-gnu
  loader=$(find "$tree/lib" "$tree/lib64" "$tree/usr/lib" "$tree/usr/lib64" -name 'ld-linux*.so.*' 2>/dev/null | head -n 1)
  # An old-style RPATH: the compiled modules and what they load look there too.
  if patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$program" && runs "$program"; then
    ln -sf "$program" "$cache/bin/python$version"
  else
    missing "python$version" "unpacked from $suite, but it does not run here"
  fi
}

python 3.9 bullseye python3.9,python3-distutils,python3.9-venv
python 3.11 bookworm python3.11,python3.11-venv
python 3.13 trixie python3.13,python3.13-venv
python 3.14 sid python3.14,python3.14-venv
for version in 3.10 3.12; do
  found $version || missing python$version "no release of Debian has it"
done
printf '%s\n' "$cache/bin"
