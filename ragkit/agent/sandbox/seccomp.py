"""The system calls that confined code may make: a seccomp filter, written as classic BPF.

Source of the formats: linux/seccomp.h, linux/filter.h and seccomp(2). Everything that is not
allowed fails with EPERM, or with ENOSYS where the C library then falls back to an older call.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_ALL_BITS = 0xFFFFFFFF
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET, _ARGUMENTS_OFFSET = 0, 4, 16
_X32 = 0x40000000
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2

# The numbers of linux/audit.h.
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# name: (number on x86_64, number on aarch64 and every other newer machine); -1 where there is none
_ALLOWED = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "stat": (4, -1),
    "fstat": (5, 80), "lstat": (6, -1), "poll": (7, -1), "lseek": (8, 62), "mmap": (9, 222),
    "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "pread64": (17, 67),
    "pwrite64": (18, 68), "readv": (19, 65), "writev": (20, 66), "access": (21, -1),
    "pipe": (22, -1), "select": (23, -1), "sched_yield": (24, 124), "mremap": (25, 216),
    "msync": (26, 227), "mincore": (27, 232), "madvise": (28, 233), "dup": (32, 23),
    "dup2": (33, -1), "pause": (34, -1), "nanosleep": (35, 101), "getitimer": (36, 102),
    "alarm": (37, -1), "setitimer": (38, 103), "getpid": (39, 172), "sendfile": (40, 71),
    "recvfrom": (45, 207), "recvmsg": (47, 212),
    "shutdown": (48, 210), "exit": (60, 93), "wait4": (61, 260), "uname": (63, 160),
    "flock": (73, 32), "fsync": (74, 82), "fdatasync": (75, 83), "truncate": (76, 45),
    "ftruncate": (77, 46), "getdents": (78, -1), "getcwd": (79, 17), "chdir": (80, 49),
    "fchdir": (81, 50), "rename": (82, -1), "mkdir": (83, -1), "rmdir": (84, -1),
    "creat": (85, -1), "link": (86, -1), "unlink": (87, -1), "symlink": (88, -1),
    "readlink": (89, -1), "umask": (95, 166), "gettimeofday": (96, 169), "getrlimit": (97, 163),
    "getrusage": (98, 165), "sysinfo": (99, 179), "times": (100, 153), "getuid": (102, 174),
    "getgid": (104, 176), "geteuid": (107, 175), "getegid": (108, 177), "getppid": (110, 173),
    "getpgrp": (111, -1), "getgroups": (115, 158), "getresuid": (118, 148),
    "getresgid": (120, 150), "getpgid": (121, 155), "getsid": (124, 156),
    "rt_sigpending": (127, 136), "rt_sigtimedwait": (128, 137), "rt_sigsuspend": (130, 133),
    "sigaltstack": (131, 132), "statfs": (137, 43), "fstatfs": (138, 44),
    "getpriority": (140, 141), "sched_getparam": (143, 121), "sched_getscheduler": (145, 120),
    "arch_prctl": (158, -1), "gettid": (186, 178), "time": (201, -1), "futex": (202, 98),
    "sched_getaffinity": (204, 123), "epoll_create": (213, -1), "getdents64": (217, 61),
    "set_tid_address": (218, 96), "restart_syscall": (219, 128), "fadvise64": (221, 223),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115),
    "exit_group": (231, 94), "epoll_wait": (232, -1), "epoll_ctl": (233, 21),
    "mkdirat": (258, 34), "newfstatat": (262, 79), "unlinkat": (263, 35),
    "renameat": (264, 38), "linkat": (265, 37), "symlinkat": (266, 36), "readlinkat": (267, 78),
    "faccessat": (269, 48), "pselect6": (270, 72), "ppoll": (271, 73),
    "set_robust_list": (273, 99), "get_robust_list": (274, 100), "epoll_pwait": (281, 22),
    "fallocate": (285, 47), "eventfd2": (290, 19), "epoll_create1": (291, 20), "dup3": (292, 24),
    "pipe2": (293, 59), "preadv": (295, 69), "pwritev": (296, 70), "getcpu": (309, 168),
    "renameat2": (316, 276), "getrandom": (318, 278), "membarrier": (324, 283),
    "copy_file_range": (326, 285), "statx": (332, 291), "rseq": (334, 293),
    "close_range": (436, 436), "faccessat2": (439, 439), "epoll_pwait2": (441, 441),
}  # fmt: skip
# Only inside a mount namespace: nothing else keeps them to the scratch folder.
_ALLOWED_IN_NAMESPACE = {
    "chmod": (90, -1), "fchmod": (91, 52), "utime": (132, -1), "utimes": (235, -1),
    "futimesat": (261, -1), "fchmodat": (268, 53), "utimensat": (280, 88), "fchmodat2": (452, 452),
}  # fmt: skip
_ABSENT = {"clone3": (435, 435), "openat2": (437, 437), "futex_waitv": (449, 449)}

_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS TIOCGWINSZ FIO{NREAD,NBIO,…}
_FCNTLS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)  # not SETOWN, SETSIG: they send signals
_PRCTLS = (15, 16, 0x53564D41)  # PR_SET_NAME, PR_GET_NAME, PR_SET_VMA
_UNIX_SOCKETS = 1
_SOCKET_KINDS, _CONNECTED_SOCKETS = 0xF, (1, 5)  # not datagrams, which can go to any socket
_PATH_ONLY = 0x200000  # O_PATH: no right to a file is asked for, so that Landlock is not
_CLONE_THREAD = 0x00010000
_CLONE_NAMESPACES = 0x7E020080

_Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand


@dataclass(frozen=True, slots=True)
class _Argument:
    """What an argument has to be: one of ``values`` in these ``bits`` of its low or high half.

    Most are ints to the kernel, which are the low half; a pointer is both.
    """

    place: int
    values: tuple[int, ...]
    bits: int = _ALL_BITS
    high: bool = False


def problem() -> str | None:
    """Return why no filter can be made for this machine, or ``None``."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES or struct.calcsize("P") != 8:
        return f"no list of system calls is known for a machine of kind {machine!r}"
    return None


def filter_program(own_pid: int, *, in_namespace: bool) -> bytes:
    """Return the filter for the process ``own_pid``, which may signal only itself.

    Args:
        own_pid: The process the filter is for, as it sees itself.
        in_namespace: Whether it has a mount namespace of its own; without one, calls that change
            the mode or times of any file it can name are refused.
    """
    machine = platform.machine()
    column = 0 if machine == "x86_64" else 1
    program: list[_Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE_OFFSET),
        (_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER_OFFSET),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
    ]
    allowed = dict(_ALLOWED)
    if in_namespace:
        allowed |= _ALLOWED_IN_NAMESPACE
    for numbers in allowed.values():
        program += _answer(numbers[column], _ALLOW)
    for numbers in _ABSENT.values():
        program += _answer(numbers[column], _ERRNO | errno.ENOSYS)
    for (on_x86, on_others), *conditions in (
        ((2, -1), _Argument(1, (0,), _PATH_ONLY)),  # open
        ((257, 56), _Argument(2, (0,), _PATH_ONLY)),  # openat
        ((16, 29), _Argument(1, _IOCTLS)),
        ((72, 25), _Argument(1, _FCNTLS)),
        ((157, 167), _Argument(0, _PRCTLS)),
        # socketpair; sendto has no address; sendmsg, whose address no filter sees, is refused
        (
            (53, 199),
            _Argument(0, (_UNIX_SOCKETS,)),
            _Argument(1, _CONNECTED_SOCKETS, _SOCKET_KINDS),
        ),
        ((44, 206), _Argument(4, (0,)), _Argument(4, (0,), high=True)),
        ((62, 129), _Argument(0, (own_pid,))),  # kill
        ((234, 131), _Argument(0, (own_pid,))),  # tgkill
        ((302, 261), _Argument(0, (0,))),  # prlimit64 of itself; hard limits cannot be raised
        # clone: for a new thread of this process, not for a process or a namespace
        ((56, 220), _Argument(0, (_CLONE_THREAD,), _CLONE_THREAD | _CLONE_NAMESPACES)),
    ):
        program += _allow_if(on_others if column else on_x86, conditions)
    program.append((_RETURN, 0, 0, _ERRNO | errno.EPERM))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def install(program: bytes, check: Callable[[int, str], None]) -> None:
    """Put this thread, and all it starts, under a filter for good; needs no_new_privs.

    Args:
        program: The filter.
        check: Raises if the number it is given, a C call's result, is negative.
    """

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    library = ctypes.CDLL(None, use_errno=True)
    described = Program(len(program) // 8, program)
    done = library.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(described), 0, 0)
    check(done, "install a seccomp filter")


def own_pid() -> int:
    """Return the number by which this process may signal itself."""
    return os.getpid()


def _answer(number: int, action: int) -> list[_Instruction]:
    if number < 0:
        return []
    return [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, action)]


def _allow_if(number: int, conditions: Sequence[_Argument]) -> list[_Instruction]:
    """Allow a call if all its arguments are as they may be."""
    if number < 0:
        return []
    refuse = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    body: list[_Instruction] = []
    for condition in conditions:
        offset = _ARGUMENTS_OFFSET + 8 * condition.place + (4 if condition.high else 0)
        body += [(_LOAD, 0, 0, offset), (_AND, 0, 0, condition.bits)]
        left = len(condition.values)
        for value in condition.values:  # over the others, and over the refusal
            body.append((_EQUAL, left, 0, value))
            left -= 1
        body.append(refuse)
    body.append((_RETURN, 0, 0, _ALLOW))
    return [(_EQUAL, 0, len(body), number), *body]
