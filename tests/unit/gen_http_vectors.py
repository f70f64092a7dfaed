#!/usr/bin/env python3
"""Turn tests/vectors/http/requests.json into a C table.

    gen_http_vectors.py requests.json [OUT.h]

The tests of the HTTP parser must not depend on our own JSON reader.
"""
import json
import sys


def octets(text):
    """A C string literal of latin-1 text, every odd octet as \\ooo."""
    out = []
    for c in text.encode("latin-1"):
        if 32 <= c < 127 and chr(c) not in '\\"?':
            out.append(chr(c))
        else:
            out.append("\\%03o" % c)
    return '"%s"' % "".join(out)


def text(case, key):
    """pointer, length"""
    if key not in case:
        return "NULL, 0"
    value = case[key]
    return "%s, %d" % (octets(value), len(value.encode("latin-1")))


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        cases = json.load(f)["cases"]
    out = open(sys.argv[2], "w") if len(sys.argv) > 2 else sys.stdout
    print("/* Made by gen_http_vectors.py. A NULL or -1 says nothing. */", file=out)
    print("static const struct http_vec {", file=out)
    print("\tconst char *name, *expect;", file=out)
    for key in ("wire", "method", "target", "version", "body", "field", "value"):
        print("\tstruct { const char *p; size_t n; } %s;" % key, file=out)
    print("\tint keep_alive, upgrade, count, status;", file=out)
    print("} http_vecs[] = {", file=out)
    for c in cases:
        if "header" in c:
            c["field"], c["value"] = c["header"]
        print("\t{ %s, %s," % (octets(c["name"]), octets(c["expect"])), file=out)
        for key in ("wire_latin1", "method", "target", "version", "body",
                    "field", "value"):
            print("\t    { %s }," % text(c, key), file=out)
        print("\t    %s }," % ", ".join(
            str(int(c.get(k, -1)))
            for k in ("keep_alive", "upgrade", "count", "status")), file=out)
    print("};", file=out)


main()
