#!/bin/busybox sh
# shellcheck shell=dash
# A task for a guest: asks in several environments that run on the guest's own kernel. `##` lines part the transcripts.
root=/run/root
ask=/opt/envinspect/ask.sh
# A root of its own: a second mount of the initramfs would be the very same folder.
mkdir -p $root
mount -t tmpfs root $root
for folder in /bin /etc /lib /lib64 /opt /sbin /usr; do cp -a $folder $root/; done
mkdir -p $root/dev $root/proc $root/sys $root/run $root/tmp

echo "## plain"
sh $ask -c -u
echo "## unshare-pid"
unshare --pid --fork --mount-proc sh $ask -c
echo "## runc"
mkdir -p /run/bundle /run/rootfs
cp /opt/envinspect/runc.json /run/bundle/config.json
mount --bind $root /run/rootfs
runc --root /run/runc run --no-pivot --bundle /run/bundle inside
echo "## chroot"
for folder in proc sys dev; do mount --rbind /$folder $root/$folder; done
chroot $root sh $ask -c
echo "## end"
