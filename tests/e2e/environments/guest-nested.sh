#!/bin/busybox sh
# shellcheck shell=dash
# A task for a guest with SVM: boots guests of its own with KVM, one per line of `inner` ("NAME CPU"), and passes on what they say.
for module in /opt/modules/*.ko; do
  insmod "$module" 2>/dev/null || busybox insmod "$module"
done
mkdir -p /disk
mount -t ext4 -o ro /dev/vda /disk || busybox ls -l /dev/vda
for d in dev proc sys; do mount --rbind /$d /disk/$d; done
mount -t tmpfs tmpfs /disk/tmp
echo "## outer"
ls -l /dev/kvm
while read -r name cpu; do
  echo "## $name"
  chroot /disk timeout 280 qemu-system-x86_64 -accel kvm -machine q35 -cpu "$cpu" -m 512 -display none -monitor none \
    -nic none -no-reboot -no-user-config -serial file:/tmp/serial -kernel /vmlinuz -initrd /initramfs \
    -append "console=ttyS0 quiet loglevel=1 panic=-1 reboot=t ask.task=ask ask.plain" </dev/null
  cat /disk/tmp/serial
  rm -f /disk/tmp/serial
done <"${0%/*}/inner"
echo "## end"
