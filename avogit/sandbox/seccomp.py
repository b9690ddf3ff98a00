"""System-call filters: what a confined process may ask of the kernel.

Owns the numbers of system calls, the assembly of filters, and the two filters of a CPU
runner. Leaves when to install them to `sandbox` and `bench.runner`. A call that no honest
kernel makes kills the process (SIGSYS, which cannot be caught); a call that merely has no
business in a measured kernel fails with an error number.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from avogit.processes import libc_call, set_no_new_privs

# name, number on x86_64, number on aarch64 (- where it has none)
_NUMBERS = """
access 21 -; acct 163 89; add_key 248 217; adjtimex 159 171; bpf 321 280; brk 12 214;
chroot 161 51; clock_adjtime 305 266; clock_getres 229 114; clock_gettime 228 113;
clock_nanosleep 230 115; clock_settime 227 112; clone 56 220; clone3 435 435; close 3 57;
creat 85 -; delete_module 176 106; dup 32 23; dup2 33 -; dup3 292 24; execve 59 221;
execveat 322 281; exit 60 93; exit_group 231 94; faccessat 269 48; faccessat2 439 439;
fanotify_init 300 262; fcntl 72 25; finit_module 313 273; fork 57 -; fsconfig 431 431;
fsmount 432 432; fsopen 430 430; fspick 433 433; fstat 5 80; futex 202 98;
get_robust_list 274 100; getcpu 309 168; getpid 39 172; getrandom 318 278; getrusage 98 165;
gettid 186 178; gettimeofday 96 169; getuid 102 174; init_module 175 105;
io_uring_enter 426 426; io_uring_register 427 427; io_uring_setup 425 425; ioctl 16 29;
ioperm 173 -; iopl 172 -; ioprio_set 251 30; kcmp 312 272; kexec_load 246 104;
keyctl 250 219; kill 62 129; lseek 8 62; lstat 6 -; madvise 28 233; membarrier 324 283;
memfd_create 319 279; mincore 27 232; mlock 149 228; mmap 9 222; modify_ldt 154 -;
mount 165 40; mount_setattr 442 442; move_mount 429 429; mprotect 10 226; mq_open 240 180;
mremap 25 216; msgget 68 186; munmap 11 215; nanosleep 35 101; newfstatat 262 79; open 2 -;
open_by_handle_at 304 265; open_tree 428 428; openat 257 56; openat2 437 437;
perf_event_open 298 241; personality 135 92; pidfd_getfd 438 438; pidfd_open 434 434;
pidfd_send_signal 424 424; pivot_root 155 41; poll 7 -; ppoll 271 73; prlimit64 302 261;
process_madvise 440 440; process_vm_readv 310 270; process_vm_writev 311 271; ptrace 101 117;
quotactl 179 60; read 0 63; readlink 89 -; readlinkat 267 78; readv 19 65; reboot 169 142;
request_key 249 218; restart_syscall 219 128; rseq 334 293; rt_sigaction 13 134;
rt_sigprocmask 14 135; rt_sigqueueinfo 129 138; rt_sigreturn 15 139;
rt_tgsigqueueinfo 297 240; sched_getaffinity 204 123; sched_getparam 143 121;
sched_setaffinity 203 122; sched_setattr 314 274; sched_setparam 142 118;
sched_setscheduler 144 119; sched_yield 24 124; seccomp 317 277; semget 64 190;
set_robust_list 273 99; set_tid_address 218 96; setns 308 268; setpriority 141 140;
settimeofday 164 170; shmat 30 196; shmget 29 194; sigaltstack 131 132; socket 41 198;
socketpair 53 199; stat 4 -; statx 332 291; swapoff 168 225; swapon 167 224; sysinfo 99 179;
tgkill 234 131; time 201 -; tkill 200 130; umount2 166 39; uname 63 160; unshare 272 97;
userfaultfd 323 282; vfork 58 -; write 1 64; writev 20 66
"""
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

KILL = 0x80000000
ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_X32_BIT = 0x40000000
_SET_MODE_FILTER, _SPEC_ALLOW = 1, 4
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_CLONE_THREAD, _PROT_EXEC = 0x10000, 4


def fails_with(number: int) -> int:
    """The action that lets a call fail with this errno."""
    return _ERRNO | number


@dataclass(frozen=True, slots=True)
class Rule:
    """An action for a call, or for those whose argument, masked, has a value."""

    name: str
    action: int
    argument: int | None = None
    mask: int = 0xFFFFFFFF
    value: int = 0


# Processes, other processes' memory, networks, devices of the kernel: no kernel needs them.
_FORBIDDEN = """
fork vfork execve execveat socket socketpair ptrace process_vm_readv process_vm_writev
process_madvise kill tkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal
pidfd_getfd kcmp mount umount2 pivot_root chroot unshare setns open_tree move_mount fsopen
fsconfig fsmount fspick mount_setattr bpf io_uring_setup io_uring_enter io_uring_register
perf_event_open userfaultfd keyctl add_key request_key init_module finit_module delete_module
kexec_load reboot shmget shmat msgget semget mq_open open_by_handle_at settimeofday
clock_settime adjtimex clock_adjtime fanotify_init iopl ioperm modify_ldt personality swapon
swapoff quotactl acct
"""
_PROGRAMS = "fork vfork execve execveat kill tkill socketpair pidfd_open personality"
_REFUSED = """
sched_setaffinity sched_setscheduler sched_setparam sched_setattr setpriority ioprio_set
memfd_create
"""
_CALL_LOOP = """
read write readv writev close mmap munmap mremap mprotect madvise brk futex sched_yield exit
exit_group rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack restart_syscall clock_gettime
clock_getres gettimeofday time nanosleep clock_nanosleep getpid gettid getuid getrandom
sched_getaffinity sched_getparam set_robust_list get_robust_list rseq set_tid_address
membarrier getcpu getrusage uname sysinfo mlock mincore lseek tgkill clone clone3 dup
"""
_FILES = """
open openat openat2 creat stat lstat fstat newfstatat statx access faccessat faccessat2
readlink readlinkat
"""


def loading_rules(threads: int) -> tuple[Rule, ...]:
    """For a runner that is about to load a candidate: may open files, may not reach out."""
    own = Rule("tgkill", ALLOW, 0, value=os.getpid())  # abort() and raise() signal oneself
    thread = Rule("clone", ALLOW, 0, mask=_CLONE_THREAD, value=_CLONE_THREAD)
    return (
        own,
        Rule("tgkill", KILL),
        *([thread] if threads > 1 else []),
        Rule("clone", KILL),
        Rule("clone3", fails_with(errno.ENOSYS)),  # its flags lie in memory: use clone
        *(Rule(name, KILL) for name in _FORBIDDEN.split()),
        *(Rule(name, fails_with(errno.EPERM)) for name in _REFUSED.split()),
    )


def building_rules(network: bool) -> tuple[Rule, ...]:
    """For a compiler, or an editor of files: may start programs, may not reach into others."""
    refused = [n for n in _FORBIDDEN.split() if n not in _PROGRAMS.split()]
    refused = [n for n in refused if not (network and n in ("socket", "socketpair"))]
    return tuple(Rule(name, fails_with(errno.EPERM)) for name in refused)


def calling_rules() -> tuple[Rule, ...]:
    """For a runner in its call loop, on top of the loading rules: no files, no new code."""
    return (
        *(Rule(name, KILL, 2, mask=_PROT_EXEC, value=_PROT_EXEC) for name in ("mmap", "mprotect")),
        *(Rule(name, ALLOW) for name in _CALL_LOOP.split()),
        Rule("prlimit64", ALLOW, 0, value=0),
        *(Rule(name, fails_with(errno.EACCES)) for name in _FILES.split()),
        Rule("ioctl", fails_with(errno.ENOTTY)),
    )


def supported() -> bool:
    """Whether this machine's system calls are known here."""
    return platform.machine() in _ARCHITECTURES and ctypes.sizeof(ctypes.c_void_p) == 8


def install(rules: Sequence[Rule], default: int) -> bool:
    """Filter this process's system calls from now on. False where that cannot be done."""
    if not supported():
        return False
    program = _assemble(rules, default)
    buffer = ctypes.create_string_buffer(program, len(program))

    class _Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    argument = _Program(len(program) // 8, ctypes.addressof(buffer))
    set_no_new_privs()
    # Without SPEC_ALLOW older kernels slow a filtered process down, and so its kernel.
    number = _SECCOMP[platform.machine()]
    return libc_call(number, _SET_MODE_FILTER, _SPEC_ALLOW, ctypes.addressof(argument)) == 0


def _numbers() -> dict[str, int]:
    column, _ = _ARCHITECTURES[platform.machine()]
    entries = (entry.split() for entry in _NUMBERS.replace("\n", " ").split(";"))
    return {entry[0]: int(entry[1 + column]) for entry in entries if entry[1 + column] != "-"}


def _assemble(rules: Iterable[Rule], default: int) -> bytes:
    numbers = _numbers()
    _, architecture = _ARCHITECTURES[platform.machine()]
    code = [
        _instruction(_LOAD, _ARCHITECTURE_AT),
        _instruction(_EQUAL, architecture, 1, 0),
        _instruction(_RETURN, KILL),
        _instruction(_LOAD, _NUMBER_AT),
        _instruction(_AT_LEAST, _X32_BIT, 0, 1),
        _instruction(_RETURN, KILL),
    ]
    for rule in rules:
        if rule.name in numbers:
            code += _block(rule, numbers[rule.name])
    code.append(_instruction(_RETURN, default))
    return b"".join(code)


def _block(rule: Rule, number: int) -> list[bytes]:
    if rule.argument is None:
        return [_instruction(_EQUAL, number, 0, 1), _instruction(_RETURN, rule.action)]
    return [
        _instruction(_EQUAL, number, 0, 5),
        _instruction(_LOAD, _ARGUMENTS_AT + 8 * rule.argument),
        _instruction(_AND, rule.mask),
        _instruction(_EQUAL, rule.value, 0, 1),
        _instruction(_RETURN, rule.action),
        _instruction(_LOAD, _NUMBER_AT),
    ]


def _instruction(code: int, k: int, jump_true: int = 0, jump_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, jump_true, jump_false, k)
