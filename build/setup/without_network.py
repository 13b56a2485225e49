"""Runs a program in a new network namespace, in which nothing but its own loopback can be reached.

Called as `unshare --net … python without_network.py PROGRAM ARGUMENTS…`.
"""

import fcntl
import os
import socket
import struct
import sys

SET_FLAGS = 0x8914
UP = 1

# A new namespace's loopback is down, and the program's own processes talk over it.
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sH14x", b"lo", UP))
os.execvp(sys.argv[1], sys.argv[1:])
