/*
 * What the files of TLS share: tls.c pumps, tls_policy.c chooses and signs for
 * a server, tls_verify.c decides for a client whom it talks to.
 */
#ifndef ADIT_NET_TLS_INSIDE_H
#define ADIT_NET_TLS_INSIDE_H

#include "net/tls.h"

void tls_policy_init(struct tls_policy *p, const struct tls_server *s);
/* The handshake is over: the pair may be replaced. */
void tls_policy_release(struct tls_policy *p);

void tls_verify_init(struct tls_verify *v, const struct tls_trust *trust,
    uint64_t wall_ms, bool names);

#endif
