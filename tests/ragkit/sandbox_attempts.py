"""Ways out of the sandbox, as code that raises where it is contained and returns what it got.

Each is the body of a function; ``secret``, ``port``, ``parent`` and ``address`` (of a socket of the host) are set before it, ``syscall``
makes a raw system call that bypasses Python, and raises when the kernel says no.
"""

from __future__ import annotations

HARNESS = """
import ctypes, json, os, platform, sys
inherited = []
for number in range(3, 1024):
    try:
        os.fstat(number)
    except OSError:
        continue
    inherited.append(number)
libc = ctypes.CDLL(None, use_errno=True)
secret, port, parent, address, attempts = json.load(open("attempts.json"))
X86 = platform.machine() == "x86_64"

def syscall(number, *arguments):
    if not X86:
        raise OSError("the number is that of another machine")
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return f"system call {number} returned {result}"

outcome = {}
for name, body in attempts.items():
    lines = "".join(f"    {line}\\n" for line in body.splitlines())
    scope = dict(globals())
    try:
        exec(f"def attempt():\\n{lines}", scope)
        got = scope["attempt"]()
    except BaseException as error:
        outcome[name] = ["contained", type(error).__name__ + ": " + str(error)]
    else:
        outcome[name] = ["escaped" if got else "contained", repr(got)]
json.dump(outcome, open("outcome.json", "w"))
"""

FILES = {
    "read a password file": "return open('/etc/passwd').read()",
    "read the host name": "return open('/etc/hostname').read()",
    "read a known secret": "return open(secret).read()",
    "read it by a raw system call": """
number = libc.open(secret.encode(), 0)
assert number >= 0
return os.read(number, 100)""",
    "read through a symbolic link": """
os.symlink(secret, 'link')
return open('link').read()""",
    "read through a hard link": """
os.link(secret, 'hard')
return open('hard').read()""",
    "read through a link to the root": """
os.symlink('/', 'root')
return open('root' + secret).read()""",
    "climb out with dots": "return open('../' * 40 + secret[1:]).read()",
    "climb out of a folder's number": """
up = os.open('..', os.O_RDONLY)
return os.listdir(up)""",
    "list the root": "return set(os.listdir('/')) & {'home', 'root', 'tmp', 'var'}",
    "list the home folders": "return os.listdir('/home') + os.listdir('/root')",
    "walk to the secret": "return [f for f, _, n in os.walk('/') if os.path.basename(secret) in n]",
    "read its environment": "return open('/proc/self/environ', 'rb').read()",
    "read the parent's environment": "return open(f'/proc/{parent}/environ', 'rb').read()",
    "read the first process's memory": "return open('/proc/1/mem', 'rb')",
    "go by a process's root": "return open('/proc/self/root' + secret).read()",
    "go by a process's folder": "return os.listdir('/proc/1/cwd')",
    "open a disk": "return [open(d, 'rb') for d in ('/dev/sda', '/dev/vda', '/dev/nvme0n1')]",
    "open the memory": "return open('/dev/mem', 'rb')",
    "open the terminal": "return open('/dev/tty', 'w')",
    "make a device": "return os.mknod('disk', 0o60600, os.makedev(8, 0)) or os.path.exists('disk')",
    "look at the kernel": "return os.listdir('/sys/kernel')",
    "write to the temporary folder": "return open('/tmp/ragkit-escaped', 'w')",
    "write to shared memory": "return open('/dev/shm/ragkit-escaped', 'w')",
    "write beside Python": "return open(os.__file__ + '.escaped', 'w')",
    "overwrite Python": "return open(os.__file__, 'a')",
    "write beside the scratch folder": "return open('../escaped', 'w')",
    "overwrite the secret": "return open(secret, 'w')",
    "cut the secret short": "return os.truncate(secret, 0) or True",
    "remove the secret": "return os.remove(secret) or True",
    "rename the secret": "return os.rename(secret, secret + '.gone') or True",
    "move the secret in": "return os.rename(secret, 'mine') or True",
    "open up the secret": "return os.chmod(secret, 0o777) or True",
    "take the secret": "return os.chown(secret, os.getuid(), os.getgid()) or True",
    "touch the secret": "return os.utime(secret, (0, 0)) or True",
    "open up Python": "return os.chmod(os.__file__, 0o777) or True",
    "open up Python by its number": """
with open(os.__file__) as file:
    return os.fchmod(file.fileno(), 0o777) or True""",
    "set an attribute": "return os.setxattr(os.__file__, 'user.x', b'1') or True",
    "make a folder": "return os.mkdir('/escaped') or True",
    "let a database write": """
import sqlite3
return sqlite3.connect('/tmp/ragkit-escaped.db').execute('create table t(x)')""",
    "map the secret": """
import mmap
with open(secret) as file:
    return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)[:]""",
    "copy the secret": "import shutil\nreturn shutil.copy(secret, 'copy')",
    "open a path without a right": "return os.open(secret, os.O_PATH)",
    "open a path without a right, the old way": "return syscall(2, secret.encode(), os.O_PATH)",
    "open by handle": "return syscall(304, -100, b'x' * 32, 0)",
    "change the root": "return os.chroot('.') or True",
    "use a setuid program's folder": "return os.listdir('/usr/bin')",
}

NETWORK = {
    "connect": """
import socket
return socket.create_connection(('127.0.0.1', port), 2)""",
    "connect by IPv6": """
import socket
return socket.socket(socket.AF_INET6).connect(('::1', port)) or True""",
    "send a datagram": """
import socket
return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', port))""",
    "listen": "import socket\nreturn socket.create_server(('127.0.0.1', 0))",
    "sniff": "import socket\nreturn socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "send raw": "import socket\nreturn socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "ask the kernel": "import socket\nreturn socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "use a local socket": """
import socket
return socket.socket(socket.AF_UNIX).connect('/var/run/docker.sock') or True""",
    "use an abstract socket": """
import socket
return socket.socket(socket.AF_UNIX).bind('\\0escaped') or True""",
    "open a page": "import urllib.request\nreturn urllib.request.urlopen('http://127.0.0.1:%d' % port)",
    "open a page by name": "import urllib.request\nreturn urllib.request.urlopen('http://localhost:%d' % port)",
    "resolve a name": "import socket\nreturn socket.gethostbyname('example.com')",
    "talk by asyncio": """
import asyncio
return asyncio.run(asyncio.open_connection('127.0.0.1', port))""",
    "send a datagram to an address": """
import socket
ours, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
return ours.sendto(b'x', address) or ours.sendmsg([b'x'], [], 0, address)""",
    "send a message to an address": """
import socket
ours, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
return ours.sendmsg([b'x'], [], 0, address)""",
    "send from a connected pair to an address": """
import socket
ours, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
return ours.sendto(b'x', address)""",
    "pass a file on": """
import socket
ours, theirs = socket.socketpair()
return socket.send_fds(ours, [b'x'], [0])""",
    "send to an address whose low half is nothing": """
ours = (ctypes.c_int * 2)()
syscall(53, 1, 1, 0, ours)
return syscall(44, ours[0], b'x', 1, 0, ctypes.c_void_p(1 << 32), 16)""",
    "make a socket by a raw system call": "return syscall(41, 2, 1, 0)",
    "make a pair of internet sockets": "import socket\nreturn socket.socketpair(socket.AF_INET)",
    "use a ring": "return syscall(425, 8, ctypes.create_string_buffer(200))",
}

PROCESSES = {
    "fork": "return os.fork() or os._exit(0)",
    "fork a terminal": "return os.forkpty()",
    "fork by a raw system call": "return syscall(57)",
    "fork by vfork": "return syscall(58)",
    "clone": "return syscall(56, 17, 0, 0, 0, 0)",
    "clone into new namespaces": "return syscall(56, 0x10000000 | 17, 0, 0, 0, 0)",
    "clone with clone3": "return syscall(435, ctypes.create_string_buffer(88), 88)",
    "run a shell": "import subprocess\nreturn subprocess.run('id', shell=True)",
    "run Python": "import subprocess\nreturn subprocess.run([sys.executable, '-c', '1'])",
    "spawn": "return os.posix_spawn('/bin/sh', ['sh'], {})",
    "let the C library run": "return os.system('true') == 0",
    "open a pipe from a program": "return os.popen('id').read()",
    "become a program": "return os.execv('/bin/sh', ['sh', '-c', 'exit 0'])",
    "become Python": "return os.execv(sys.executable, [sys.executable, '-c', '1'])",
    "become a file in memory": "return syscall(322, 0, b'', 0, 0, 0x1000)",
    "make a file in memory": "return os.memfd_create('x')",
    "use multiprocessing": """
import multiprocessing
process = multiprocessing.get_context('fork').Process(target=print)
process.start()
return process.pid""",
    "kill the parent": "return os.kill(os.getppid(), 9) or True",
    "kill the first process": "return os.kill(1, 9) or True",
    "kill the caller": "return os.kill(parent, 9) or True",
    "kill everybody": "return os.kill(-1, 9) or True",
    "kill the group": "return os.killpg(os.getpgrp(), 9) or True",
    "signal by thread": "return syscall(200, parent, 9)",
    "signal by a file": "return syscall(434, parent, 0)",
    "signal by ownership of a file": """
import fcntl
reading, _ = os.pipe()
fcntl.fcntl(reading, fcntl.F_SETOWN, parent)
return True""",
    "signal by a timer": "return syscall(222, 0, ctypes.create_string_buffer(64), ctypes.create_string_buffer(8))",
    "trace the parent": "return syscall(101, 16, os.getppid(), 0, 0)",
    "be traced": "return syscall(101, 0, 0, 0, 0)",
    "read the parent's memory": "return syscall(310, os.getppid(), 0, 0, 0, 0, 0)",
    "write the parent's memory": "return syscall(311, os.getppid(), 0, 0, 0, 0, 0)",
    "leave the session": "return os.setsid() or True",
    "leave the group": "return os.setpgid(0, 0) or True",
    "take priority": "return os.nice(-5)",
    "take processors": "return os.sched_setaffinity(0, {0}) or True",
    "share memory": "return syscall(29, 0, 4096, 0o1600)",
    "send a message queue": "return syscall(240, b'x', 0o102, 0o600, 0)",
}

PRIVILEGES = {
    "become root": "return os.setuid(0) or os.getuid() == 0",
    "take groups": "return os.setgroups([0]) or True",
    "take capabilities": "return syscall(126, ctypes.create_string_buffer(8), ctypes.create_string_buffer(24))",
    "make namespaces": "return syscall(272, 0x10000000)",
    "enter a namespace": "return syscall(308, 0, 0)",
    "mount": "return syscall(165, b'none', b'.', b'tmpfs', 0, 0)",
    "unmount": "return syscall(166, b'/scratch', 2)",
    "change mounts": "return syscall(442, -100, b'/', 0, ctypes.create_string_buffer(32), 32)",
    "open a file system": "return syscall(430, b'proc', 0)",
    "swap the root": "return syscall(155, b'.', b'.')",
    "load a filter": "return syscall(317, 1, 0, 0)",
    "leave the filter": "return syscall(157, 22, 0, 0, 0, 0)",
    "become traceable": "return syscall(157, 4, 1, 0, 0, 0)",
    "outlive the parent": "return syscall(157, 1, 0, 0, 0, 0)",
    "load a program into the kernel": "return syscall(321, 0, ctypes.create_string_buffer(128), 128)",
    "watch performance": "return syscall(298, ctypes.create_string_buffer(128), 0, -1, -1, 0)",
    "read keys": "return syscall(250, 0, -3, 1)",
    "add a key": "return syscall(248, b'user', b'x', b'y', 1, -3)",
    "handle page faults": "return syscall(323, 0)",
    "set the clock": "return syscall(227, 0, ctypes.create_string_buffer(16))",
    "name the machine": "return syscall(170, b'mine', 4)",
    "restart the machine": "return syscall(169, 0, 0, 0, 0)",
    "load a module": "return syscall(175, 0, 0, b'')",
    "read the kernel's log": "return syscall(103, 10, 0, 0)",
    "change personality": "return syscall(135, 0x0040000)",
    "use the other calling convention": "return syscall(0x40000000 + 2, secret.encode(), 0)",
    "raise the memory limit": """
import resource
return resource.setrlimit(resource.RLIMIT_AS, (2**40, 2**40)) or True""",
    "raise the process limit": """
import resource
return resource.setrlimit(resource.RLIMIT_NPROC, (2**20, 2**20)) or True""",
    "limit the parent": "return syscall(302, parent, 0, 0, ctypes.create_string_buffer(16))",
}

INTROSPECTION = {
    "find a secret in the environment": "return [v for v in os.environ.values() if 'hunter' + '2' in v]",
    "find inherited files": "return inherited",
    "read the orders": "return sys.stdin.read()",
    "find the application": "return [m for m in sys.modules if m.startswith('ragkit')]",
    "import the application": "import ragkit\nreturn ragkit",
    "import installed packages": "import numpy\nreturn numpy",
    "find secrets in memory": """
import gc
return [o for o in gc.get_objects() if isinstance(o, dict) and 'hunter' + '2' in o.values()]""",
    "look at frames": """
frame, found = sys._getframe(), []
while frame:
    found += [v for v in frame.f_locals.values() if isinstance(v, str) and 'hunter' + '2' in v]
    frame = frame.f_back
return found""",
    "read the login name": "return os.getlogin()",
}

ALL = {**FILES, **NETWORK, **PROCESSES, **PRIVILEGES, **INTROSPECTION}
