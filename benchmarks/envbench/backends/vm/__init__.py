"""What direct QEMU and libvirt share: the guest as data, its serial line, and the processes behind it."""
