# envinspect's collector: answers questions about the place where this shell runs. It reads and writes nothing down,
# judges nothing, and holds no list of files. `ask ROUND QUESTIONS` (below, or on standard input) brings one a line:
#   H             what uname and id say          V NAME    an environment variable
#   R PATH        a regular file's bytes         L PATH    a symbolic link's text
#   D PATH        a folder's names               S PATH    a file's device, inode, mode and size
#   C LEAF COUNT  CPUID leaves from LEAF (a multiple of 16) on, where the kernel's cpuid device can be read
# A small letter instead of R, L, D or S: PATH is a pattern; `/~` in it stands for each control group from here upwards,
# `/~u/` for the user's number, `/~d/` for that of Docker's daemon.
# Every path is spelled with $mark in front, slashes and dots that mean nothing to the kernel: that tells what tools
# print about a file from what stands in it. The answer goes out as envinspect-wire/1, lines of ASCII only.
export LC_ALL=C
set -f
nl='
'
wire=envinspect-wire/1
mark=/./.

say() { printf '%s\n' "$1"; }
# mksh has no printf of its own, and each line would cost a process.
case ${KSH_VERSION-} in *MIRBSD*) say() { print -r -- "$1"; } ;; esac

# Which tools are here is tried, once: whether they are installed does not tell what they can do.
encoding=base64
encode() { base64; }
if ! try=$(say a | base64 2>&1); then
    encoding=hex
    encode() { od -An -v -tx1; }
    if ! try=$(say a | od -An -v -tx1 2>&1); then
        encode() { hexdump -v -e '16/1 "%02x" "\n"'; }
        try=$(say a | encode 2>&1) || encoding=''
    fi
fi
contents() { head -c 4194304 "$@"; }
try=$(say a | head -c 1 2>&1) || contents() { for try; do say "$nl==> $try <=="; cat "$try"; done; }
identities() { stat -L -c '%d %i %f %s %n' "$@"; }
try=$(stat -L -c %d / 2>&1) || identities() { ls -Lldin "$@"; }

groups='' user=$(id -u 2>&1) || user='' # not to /dev/null: a bare chroot has none
[ -r /proc/self/cgroup ] && while IFS=: read -r try try group; do
    group=${group%/}
    while case $groups$nl in *"$nl$group/$nl"*) false ;; *) groups=$groups$nl$group/ ;; esac; do group=${group%/*}; done
done </proc/self/cgroup
daemon=''
[ -f /run/docker.pid ] && [ -r /run/docker.pid ] && read -r daemon </run/docker.pid
case $daemon in *[!0-9]*) daemon='' ;; esac

# Put a question where its tool finds it; what is no such thing as was asked for is told by its identity or its error.
put() {
    asked=$asked$nl$1\ $2
    case $1 in
    [Ll]) links=$links$nl$mark$2 ;;
    [Rr]) if [ -f "$mark$2" ]; then files=$files$nl$mark$2; else others=$others$nl$mark$2; fi ;;
    [Dd]) if [ -d "$mark$2" ]; then folders=$folders$nl$mark$2; else others=$others$nl$mark$2; fi ;;
    [Ss]) others=$others$nl$mark$2 ;;
    esac
}

# Run one tool: what it prints, then what it says on its standard error.
part() {
    say "$nl$mark $1"
    shift
    words=$("$@" 2>&1 >&3)
    say "$nl$mark words$nl$words"
} 3>&1

# shellcheck disable=SC2086  # lists are split at line breaks, and nowhere else
answer() {
    IFS=$nl
    files='' folders='' links='' others='' asked=''
    for line in $1; do
        what=${line#* }
        case $line in
        H) part system uname -srm && part version uname -v && part user id -u ;;
        V*[!A-Za-z0-9_\ ]*) ;;
        V*) eval "[ \"\${$what+set}\" ] && say \"\$nl\$mark set \$what=\$$what\" || say \"\$nl\$mark unset \$what\"" ;;
        C*) [ -r /dev/cpu/0/cpuid ] &&
            part "cpuid $what" dd if=/dev/cpu/0/cpuid bs=16 skip=$((${what% *} / 16)) count="${what#* }" ;;
        [a-z]*/~u/*) put "${line%% *}" "${what%%/~u/*}/$user/${what#*/~u/}" ;;
        [a-z]*/~d/*) [ "$daemon" ] && put "${line%% *}" "${what%%/~d/*}/$daemon/${what#*/~d/}" ;;
        [a-z]*/~*) for group in $groups; do put "${line%% *}" "${what%%/~*}${group%/}${what#*/~}"; done ;;
        [a-z]*) set +f; for path in $what; do put "${line%% *}" "$path"; done; set -f ;;
        *) put "${line%% *}" "$what" ;;
        esac
    done
    say "$nl$mark asked$asked"
    # One file alone would be shown without its name: the last is named twice.
    if [ "$files" ]; then part files contents $files "${files##*"$nl"}"; fi
    if [ "$folders" ]; then part folders ls -1A $folders "${folders##*"$nl"}"; fi
    if [ "$links" ]; then part links ls -ld $links; fi
    if [ "$others" ]; then part identities identities $others; fi
    say "$nl$mark end"
}

ask() {
    say "$nl$wire begin $1 $encoding"
    [ "$encoding" ] || return
    data=$(answer "$2" | encode)
    say "$data$nl$wire end $1 ${#data}"
}
