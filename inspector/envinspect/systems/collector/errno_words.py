"""What the C library says of an error, in the C locale: tools print words, and Facts wants the errno's name.

Sources: glibc (sysdeps/gnu/errlist.h), musl (src/errno/__strerror.h), bionic (libc/bionic/strerror.cpp). Busybox and
toybox print their C library's words. Only errors that reading a file can end in are listed.
"""

ERRNO_OF_WORDS = {
    "No such file or directory": "ENOENT",
    "Permission denied": "EACCES",
    "Operation not permitted": "EPERM",
    "Not a directory": "ENOTDIR",
    "Is a directory": "EISDIR",
    "Too many levels of symbolic links": "ELOOP",
    "Too many symbolic links encountered": "ELOOP",
    "Symbolic link loop": "ELOOP",
    "File name too long": "ENAMETOOLONG",
    "Filename too long": "ENAMETOOLONG",
    "No such process": "ESRCH",
    "Invalid argument": "EINVAL",
    "Input/output error": "EIO",
    "I/O error": "EIO",
    "No such device": "ENODEV",
    "No such device or address": "ENXIO",
    "No data available": "ENODATA",
    "Device or resource busy": "EBUSY",
    "Resource busy": "EBUSY",
    "Resource temporarily unavailable": "EAGAIN",
    "Try again": "EAGAIN",
    "Operation not supported": "EOPNOTSUPP",
    "Operation not supported on transport endpoint": "EOPNOTSUPP",
    "Not supported": "EOPNOTSUPP",
    "Function not implemented": "ENOSYS",
    "Transport endpoint is not connected": "ENOTCONN",
    "Socket not connected": "ENOTCONN",
    "Stale file handle": "ESTALE",
    "Stale NFS file handle": "ESTALE",
    "Host is down": "EHOSTDOWN",
    "Operation timed out": "ETIMEDOUT",
    "Connection timed out": "ETIMEDOUT",
    "Interrupted system call": "EINTR",
    "Cannot allocate memory": "ENOMEM",
    "Out of memory": "ENOMEM",
    "Required key not available": "ENOKEY",
}
