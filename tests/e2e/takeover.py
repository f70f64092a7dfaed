"""The other end of a takeover, played by hand: Node cannot do these sockets.

Reads commands, one a line, and prints one line for each:
    connect PATH            ok | refused
    say KIND [VERSION]      ok | broken       a message as src/app/takeover.h has it
    raw HEX                 ok | broken
    hear                    KIND FDS VERSION TEXT | end
    close                   ok                what was received is closed too
"""
import os
import socket
import struct
import sys

MAGIC, VERSION, TEXT = 0x61646974, 1, 128
KINDS = ['', 'ask', 'sockets', 'ready', 'frozen', 'done', 'refused']
conn, held = None, []


def connect(path):
    global conn
    conn = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        os.chdir(os.path.dirname(path))
        conn.connect(os.path.basename(path))
    except OSError:
        return 'refused'
    return 'ok'


def send(data):
    try:
        conn.send(data)
    except OSError:
        return 'broken'
    return 'ok'


def say(kind, version=VERSION):
    head = struct.pack('=IHHHHI', MAGIC, int(version), KINDS.index(kind), 0, 0, 0)
    return send(head + bytes(TEXT))


def hear():
    try:
        data, fds, _, _ = socket.recv_fds(conn, 4096, 253)
    except OSError:
        return 'end'
    if not data:
        return 'end'
    held.extend(fds)
    _, version, kind, n, _, text = struct.unpack_from('=IHHHHI', data)
    return f'{KINDS[kind]} {len(fds)} {version} {data[16:16 + text].decode("latin1")}'


def close():
    for fd in held:
        os.close(fd)
    held.clear()
    conn.close()
    return 'ok'


for line in sys.stdin:
    words = line.split()
    what = {'connect': connect, 'say': say, 'hear': hear, 'close': close,
            'raw': lambda text: send(bytes.fromhex(text))}[words[0]]
    print(what(*words[1:]), flush=True)
