#!/usr/bin/env python3
# What a bad client does to the control socket: ACTION SOCKET. Prints one word
# when it has happened, and then holds on until its standard input ends.
import os
import socket
import sys

action, place = sys.argv[1:]
held = []


def connect():
    # The path may be longer than a socket's address can be.
    folder = os.open(os.path.dirname(place), os.O_PATH)
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(f'/proc/self/fd/{folder}/{os.path.basename(place)}')
    os.close(folder)
    held.append(s)
    return s


if action == 'silent':          # as many as there is room for
    for _ in range(4):
        connect()
elif action == 'ask':           # each line of standard input is a message
    for line in sys.stdin:
        s = connect()
        s.send(line.rstrip('\n').encode('latin-1') * (3000 if line[0] == 'L' else 1))
        print(s.recv(65536).decode() or 'closed', flush=True)
    sys.exit()
elif action == 'leave':         # ask for something slow, and go away
    connect().send(b'{"op":"people.add","user":"gone","role":"member","password":"long enough"}')
    sys.exit()
elif action == 'connect':
    try:
        s = connect()
        s.send(b'{"op":"people.list"}')
        print(s.recv(65536).decode() or 'closed', flush=True)
    except PermissionError:
        print('EACCES', flush=True)
    except (ConnectionResetError, BrokenPipeError):
        print('closed', flush=True)
    sys.exit()
print('ready', flush=True)
sys.stdin.read()
