import type { Arrival, MatchedRule, Observation, Passage } from './observation.ts';

/** One respect in which two observations of a probe differ. */
export interface Difference {
  /** `outcome`, `server`, `rules`, `arrivals`, `connections`, `icmp`. */
  readonly what: string;
  readonly where: string;
  readonly real: string;
  readonly emulated: string;
}

/**
 * Everything that must be equal between the real kernel and the emulated one. What two honest kernels may do differently
 * is not looked at: MAC addresses, IP IDs, ports out of a port allocator, the packets of a connection after its handshake.
 */
export function compareObservations(real: Observation, emulated: Observation): Difference[] {
  const differences: Difference[] = [];
  const check = (what: string, where: string, a: string, b: string): void => {
    if (a !== b) differences.push({ what, where, real: a, emulated: b });
  };
  check('outcome', 'client', real.outcome, emulated.outcome);
  check('outcome', 'answer', real.answer, emulated.answer);
  check('icmp', 'client', real.icmp ?? '', emulated.icmp ?? '');
  check('server', 'server', serverText(real), serverText(emulated));
  const realRules = byPacket(real.passages);
  const emulatedRules = byPacket(emulated.passages);
  for (const key of union(realRules, emulatedRules)) {
    check('rules', key, rulesText(realRules.get(key)), rulesText(emulatedRules.get(key)));
  }
  const realArrivals = byPlace(real.arrivals);
  const emulatedArrivals = byPlace(emulated.arrivals);
  for (const key of union(realArrivals, emulatedArrivals)) {
    check(
      'arrivals',
      key,
      realArrivals.get(key) ?? '(did not arrive)',
      emulatedArrivals.get(key) ?? '(did not arrive)',
    );
  }
  const tuples = (o: Observation): string =>
    [...new Set(o.connections.map((c) => `${c.netns}: ${c.original} | ${c.reply}`))].sort().join('\n');
  check('connections', 'conntrack', tuples(real), tuples(emulated));
  return differences;
}

function serverText({ server }: Observation): string {
  return server === undefined ? '' : `${server.program} in ${server.netns}, saw ${server.peer}`;
}

/** A packet's first walk through a netns: retransmissions and later packets of the same looks repeat it. */
function byPacket(passages: readonly Passage[]): Map<string, readonly MatchedRule[]> {
  const result = new Map<string, readonly MatchedRule[]>();
  for (const { netns, packet, rules } of passages) {
    if (rules.length === 0) continue; // that it passed by shows where it arrived
    const key = `${netns}: ${packet}`;
    if (!result.has(key)) result.set(key, rules);
  }
  return result;
}

function byPlace(arrivals: readonly Arrival[]): Map<string, string> {
  const result = new Map<string, string>();
  for (const { netns, device, packet, ttl } of arrivals) {
    const key = `${netns} ${device}: ${packet}`;
    if (!result.has(key)) result.set(key, `ttl ${ttl}`);
  }
  return result;
}

function union(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): Set<string> {
  return new Set([...a.keys(), ...b.keys()]);
}

function rulesText(rules: readonly MatchedRule[] | undefined): string {
  if (rules === undefined) return '(met no rule)';
  return rules.map(({ table, chain, index, text }) => `${table} ${chain} ${index}: ${text}`).join('\n');
}

/** The differences as text for people, the two sides of each under one another; long lists cut to where they part. */
export function renderDifferences(differences: readonly Difference[]): string {
  return differences
    .map(({ what, where, real, emulated }) => {
      const [a, b] = fromWhereTheyPart(real.split('\n'), emulated.split('\n'));
      return `  ${what} differ at ${where}\n${indent('real    ', a)}\n${indent('emulated', b)}`;
    })
    .join('\n');
}

/** Lines shown of one side. */
const SHOWN = 6;

function fromWhereTheyPart(a: readonly string[], b: readonly string[]): [string[], string[]] {
  let same = 0;
  while (same < a.length && same < b.length && a[same] === b[same]) same++;
  const from = Math.max(0, same - 1);
  const cut = (lines: readonly string[]): string[] => [
    ...(from > 0 ? ['...'] : []),
    ...lines.slice(from, from + SHOWN),
    ...(lines.length > from + SHOWN ? [`... ${lines.length - from - SHOWN} more`] : []),
  ];
  return [cut(a), cut(b)];
}

function indent(label: string, lines: readonly string[]): string {
  return lines.map((line, i) => `    ${i === 0 ? label : ' '.repeat(label.length)}  ${line || '(none)'}`).join('\n');
}
