#!/bin/busybox sh
# shellcheck shell=dash
# A task for a guest: asks in several environments that run on the guest's own kernel. `##` lines part the transcripts.
root=/run/root
ask=/opt/envinspect/ask.sh
mkdir -p $root
# One file system for all: an initramfs cannot be pivoted away from, a bind mount of it can.
mount --bind / $root
for d in proc sys dev; do mount --rbind /$d $root/$d; done
echo "## plain"; sh $ask -c -u
echo "## chroot"; chroot $root sh $ask -c
echo "## unshare-pid"; unshare --pid --fork --mount-proc sh $ask -c
echo "## runc"
mkdir -p /run/bundle && cp /opt/envinspect/runc.json /run/bundle/config.json
mkdir -p /run/rootfs && mount --bind / /run/rootfs
runc --root /run/runc run --no-pivot --bundle /run/bundle inside
echo "## end"
