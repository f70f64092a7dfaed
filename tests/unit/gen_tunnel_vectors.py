#!/usr/bin/env python3
"""Writes the transcripts of PROTOCOL.md 16: tests/vectors/tunnel/*.json, and,
with --document FILE, the part of FILE after the line `<!-- transcripts -->`.

Everything here is computed from the tables of PROTOCOL.md by hand-written
packing, not by our C code, so that the test which replays the files compares
two readings of the document.
"""
import base64
import hashlib
import hmac
import json
import os
import struct
import sys

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                    "..", "vectors", "tunnel")
INSTANCE = bytes(range(0, 16))
SESSION = bytes(range(16, 32))
SESSION_2 = bytes(range(96, 112))
SECRET = bytes(range(32, 64))
SECRET_2 = bytes(range(128, 160))


def b64(b):
    return base64.urlsafe_b64encode(b).decode().rstrip("=")


def dump(o):
    return json.dumps(o, separators=(",", ":"))


def limits(streams, window=65536, room=None):
    return {"streams": streams, "window": window,
            "session": ((room or streams) + 1) * window}


def proof(attempt, received, secret=SECRET):
    return hmac.new(secret, b"adit resume" + SESSION +
                    struct.pack(">QQ", attempt, received),
                    hashlib.sha256).digest()


def hello(start=True, resume=None, window=65536):
    h = {"type": "hello", "protocol": 1, "name": "mac",
         "instance": b64(INSTANCE), "start": start,
         "tunnel_id": "Z6q62aKz-F96", "version": "0.1.0",
         "apps": [{"name": "web", "kind": "http"}],
         "limits": limits(64, window)}
    if resume:
        h["resume"] = resume
    return h


def resume(attempt, received, secret=SECRET):
    return {"session": b64(SESSION), "attempt": attempt,
            "proof": b64(proof(attempt, received, secret)),
            "received": received}


def welcome(session=SESSION, secret=SECRET, received=None):
    w = {"type": "welcome", "protocol": 1, "tunnel_id": "Z6q62aKz-F96",
         "session": b64(session)}
    if received is None:
        w["secret"] = b64(secret)
    w["resumed"] = received is not None
    w["received"] = received or 0
    w["limits"] = limits(64, room=256)
    w["urls"] = ["https://web.apps.example/"]
    return w


def frame(kind, stream, payload=b""):
    return struct.pack(">BBHI", kind, 0, 0, stream) + payload


def string(s):
    return bytes([len(s)]) + s.encode()


def text(who, o, note):
    return {"dir": who, "text": dump(o), "note": note}


def binary(who, b, note, fill=None):
    s = {"dir": who, "hex": b.hex()}
    if fill:
        s["fill"] = {"hex": fill[0].hex(), "count": fill[1]}
    s["note"] = note
    return s


def op(who, stream, note="", app="web"):
    return binary(who, frame(1, stream, b"\x01" + string(app) +
                  string("203.0.113.9") + string("shared") + string("https")),
                  f"OPEN stream {stream}: app {app}" + note)


def data(who, stream, b, note=""):
    return binary(who, frame(2, stream, b),
                  f"DATA stream {stream}: {len(b)} bytes" + note)


def end(who, stream, note=""):
    return binary(who, frame(3, stream), f"END stream {stream}" + note)


def stop(who, stream, note=""):
    return binary(who, frame(4, stream), f"STOP stream {stream}" + note)


def reset(who, stream, code, note=""):
    return binary(who, frame(5, stream, struct.pack(">I", code)),
                  f"RESET stream {stream}: code {code}" + note)


def credit(who, stream, n, note=""):
    return binary(who, frame(6, stream, struct.pack(">I", n)),
                  f"CREDIT stream {stream}: {n} bytes" + note)


def ack(who, n, note=""):
    return binary(who, frame(7, 0, struct.pack(">Q", n)),
                  f"ACK {n}" + note)


def goaway(who, reason, ms, note=""):
    return binary(who, frame(8, 0, struct.pack(">II", reason, ms)),
                  f"GOAWAY reason {reason}, {ms} ms" + note)


def close(who, code, note):
    return {"dir": who, "close": code, "note": note}


def event(what, note):
    return {"dir": "", "event": what, "note": note}


A, R = "agent", "relay"
REQUEST = (b"GET / HTTP/1.1\r\nHost: web.apps.example\r\n"
           b"X-Forwarded-For: 203.0.113.9\r\n\r\n")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi\n"
SLOW = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


def begin():
    return [text(A, hello(), "hello"), text(R, welcome(), "welcome"),
            ack(A, 0, ": confirms"), ack(R, 0, ": serves")]


FILES = {
    "first-hello": (
        "First hello",
        "A new agent. Until its ACK the session is provisional.",
        begin()),
    "one-request": (
        "One request",
        "Somebody opens the page and leaves. The ACKs come 25 ms after "
        "what they acknowledge.",
        begin() + [
            op(R, 1, ": number 1 of the relay"),
            data(R, 1, REQUEST, ", the request"),
            ack(A, 2),
            data(A, 1, ANSWER, ", the answer: number 1 of the agent"),
            ack(R, 1),
            end(R, 1, ": the client's connection is closed"),
            end(A, 1, ": so is the app's. The stream is closed"),
            ack(A, 3),
            ack(R, 2)]),
    "stop-and-reset": (
        "Credit, stop and reset",
        "An agent with a small window. Each CREDIT comes when half of it "
        "was consumed; the session's when half a stream's window is owed.",
        [text(A, hello(window=16384), "hello"),
         text(R, welcome(), "welcome"),
         ack(A, 0), ack(R, 0),
         op(R, 1),
         binary(R, frame(2, 1), "DATA stream 1: 8192 bytes",
                (b"u", 8192)),
         credit(A, 0, 8192, ": the app took them; for the session"),
         credit(A, 1, 8192, ": and for the stream"),
         ack(A, 2),
         stop(A, 1, ": the app has shut its reading side"),
         end(R, 1, ": in answer; what the relay still had is dropped"),
         op(R, 2, ": no such app", app="none"),
         reset(A, 2, 1, ": UNKNOWN_APP"),
         reset(R, 1, 6, ": CANCELLED, the client is gone"),
         ack(A, 5),
         ack(R, 4)]),
    "cut-with-replay": (
        "A cut with replay",
        "The connection breaks when the agent's second DATA is under way. "
        "Both had received what they say; the lost frame comes again.",
        begin() + [
            op(R, 1), data(R, 1, REQUEST), ack(A, 2),
            data(A, 1, SLOW + b"hello", ": number 1 of the agent"),
            data(A, 1, b" wor", ": number 2"),
            event("lost", "number 2 never arrives"),
            event("cut", "the agent dials again"),
            text(A, hello(False, resume(1, 2)),
                 "received 2: OPEN and the request"),
            text(R, welcome(received=1), "received 1: number 2 is missing"),
            data(A, 1, b" wor", ": number 2 again, byte for byte"),
            data(A, 1, b"d", ": number 3, new"),
            ack(R, 3),
            end(R, 1, ": number 3 of the relay"),
            end(A, 1, ": number 4"),
            ack(A, 3),
            ack(R, 4)]),
    "lost-welcome": (
        "A lost welcome",
        "The first welcome never arrives; nothing had changed at the "
        "relay. The agent simply dials again: start is still true.",
        [text(A, hello(), "hello"),
         text(R, welcome(), "welcome, provisional"),
         event("lost", "the welcome never arrives"),
         event("cut", "the agent dials again"),
         text(A, hello(), "the same hello"),
         text(R, welcome(SESSION_2, SECRET_2),
              "another session; the first was never confirmed"),
         ack(A, 0, ": confirms the second, ends the first"),
         ack(R, 0)]),
    "refused-proof": (
        "A refused proof",
        "The agent's secret is not the session's (or the attempt is an old "
        "one). The parked session stays as it is until its grace period "
        "ends or a new one is confirmed; this agent begins anew.",
        [text(A, hello(False, resume(7, 4711, SECRET_2)),
              "a proof that is wrong"),
         text(R, {"type": "refused", "code": "proof"}, "refused"),
         close(R, 4003, "REFUSED"),
         close(A, 4003, "the answer"),
         event("cut", "the agent ends its streams and dials at once"),
         text(A, hello(False), "without resume"),
         text(R, welcome(SESSION_2, SECRET_2), "a new session"),
         ack(A, 0), ack(R, 0)]),
    "go-away": (
        "Go-away",
        "The relay moves to another process while a request is under way. "
        "The agent dials a new session at once (not shown); this one ends "
        "when it is drained.",
        begin() + [
            op(R, 1), data(R, 1, REQUEST),
            goaway(R, 2, 30000, ": number 3"),
            ack(A, 3),
            data(A, 1, ANSWER),
            end(A, 1),
            end(R, 1),
            ack(R, 2),
            ack(A, 4),
            close(R, 4000, "DONE: no streams, all acknowledged"),
            close(A, 4000, "the answer")]),
}
ORDER = ["first-hello", "one-request", "stop-and-reset", "cut-with-replay",
         "lost-welcome", "refused-proof", "go-away"]


def file_text(steps):
    return "[\n" + ",\n".join(dump(s) for s in steps) + "\n]\n"


def wrap(s, first, width=124):
    out = []
    while s:
        out.append(first + s[:width - len(first)])
        s = s[width - len(first):]
        first = " " * len(first)
    return out


def document():
    out = []
    for i, name in enumerate(ORDER):
        title, about, steps = FILES[name]
        out += ["", f"### 16.{i + 1} {title} (`{name}.json`)", "", about, ""]
        for s in steps:
            who = "    %-7s" % (s["dir"] or "*")
            if "text" in s:
                out += wrap(s["text"], who)
            elif "hex" in s:
                tail = ""
                if "fill" in s:
                    tail = " + %s x %d" % (s["fill"]["hex"],
                                           s["fill"]["count"])
                out += wrap(s["hex"] + tail, who)
            elif "close" in s:
                out.append(who + "Close %d" % s["close"])
            else:
                out.append(who + "(%s)" % s["event"])
            out.append("           -- " + s["note"])
    return "\n".join(out) + "\n"


def main():
    for name in ORDER:
        with open(os.path.join(HERE, name + ".json"), "w") as f:
            f.write(file_text(FILES[name][2]))
    if len(sys.argv) == 3 and sys.argv[1] == "--document":
        mark = "<!-- transcripts -->\n"
        with open(sys.argv[2]) as f:
            head = f.read().split(mark)[0]
        with open(sys.argv[2], "w") as f:
            f.write(head + mark + document())


main()
