"""Virtual machines that libvirt's daemon starts: the domain as XML, the connection, the end of a domain."""
