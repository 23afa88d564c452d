/**
 * The five netfilter hooks, in Linux's numbering (include/uapi/linux/netfilter.h).
 *
 *             PREROUTING            FORWARD                 POSTROUTING
 * device ──▶ raw·ct·mangle·dnat ──▶ route ──▶ mangle·filter ──▶ mangle·snat·ct ──▶ neighbour ──▶ device
 *                                     │                              ▲
 *                                     ▼ INPUT                        │ OUTPUT
 *                              mangle·filter·snat              route·raw·ct·mangle·dnat·filter ─ reroute
 *                                     │                              ▲
 *                                     └────────▶  sockets ───────────┘
 */
export const Hook = { PREROUTING: 0, INPUT: 1, FORWARD: 2, OUTPUT: 3, POSTROUTING: 4 } as const;
export type Hook = (typeof Hook)[keyof typeof Hook];
export const hookNames = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'] as const;

/**
 * What a hook says of a packet. STOLEN: somebody else took it (a REJECT answered, a queue), it goes no further. SENT: IPVS has
 * sent it on by a way of its own (to Linux that is NF_STOLEN too).
 */
export const Verdict = { DROP: 0, ACCEPT: 1, STOLEN: 2, SENT: 3 } as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];
