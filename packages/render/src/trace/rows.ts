import type { Hop, Leg, Step, Trace } from '@netsim/trace';
import type { Tone } from '../style.ts';
import { chainPath, type RuleStep, shortChain } from './chain-path.ts';
import { flow, placeName, share } from './names.ts';

/** A line of the summary: at this place of this node, this happened. */
export interface Row {
  readonly node: string;
  /** A pod, a device, a hook. */
  readonly place: string;
  readonly what: string;
  /** Each begins a line of its own. */
  readonly details: readonly string[];
  readonly tone: Tone;
}

export interface RowOptions {
  /** Whole chain names, and steps that decide nothing: connection tracking, rules that only pass a packet on. */
  readonly wide: boolean;
  /** The path goes out of the cluster. */
  readonly leaves: boolean;
}

/** What happened on a leg, leaving out what changes nothing. */
export function legRows(leg: Leg, trace: Trace, options: RowOptions): Row[] {
  return leg.hops.flatMap((hop, index) =>
    new HopRows(hop, leg.hops[index - 1], placeName(hop, trace, options.wide), trace, options).rows(),
  );
}

class HopRows {
  readonly #hop: Hop;
  readonly #before: Hop | undefined;
  readonly #netns: string;
  readonly #trace: Trace;
  readonly #wide: boolean;
  readonly #leaves: boolean;
  readonly #rows: Row[] = [];
  /** The packet went into a tunnel: that the tunnel's packet is sent needs no line of its own. */
  #packed = false;
  /** Rules met one after the other in one table at one hook, not yet told. */
  #rules: RuleStep[] = [];
  /** The rewriting by the rules last told stands under them. */
  #told: { row: Row; rules: readonly RuleStep[] } | undefined;

  constructor(hop: Hop, before: Hop | undefined, netns: string, trace: Trace, options: RowOptions) {
    this.#hop = hop;
    this.#before = before;
    this.#netns = netns;
    this.#trace = trace;
    this.#wide = options.wide;
    this.#leaves = options.leaves;
  }

  rows(): Row[] {
    for (const step of this.#hop.steps) this.#step(step);
    this.#endRules();
    return this.#rows;
  }

  #add(place: string, what: string, details: readonly string[], tone: Tone = 'plain'): void {
    this.#rows.push({ node: this.#hop.node, place, what, details, tone });
  }

  #endedBadly(): boolean {
    return this.#rows.at(-1)?.tone === 'bad';
  }

  #step(step: Step): void {
    if (step.kind === 'rule') {
      this.#rule(step);
      return;
    }
    // Conntrack has its say between a rule and the rewriting that follows from it.
    if (step.kind === 'conntrack') {
      if (this.#wide) this.#add('conntrack', step.state, [conntrackText(step)], 'faint');
      return;
    }
    if (step.kind === 'nat') {
      this.#nat(step);
      return;
    }
    this.#endRules();
    switch (step.kind) {
      case 'send':
        if (this.#wide || !this.#packed) {
          this.#add(this.#netns, step.device ?? this.#hop.device ?? 'send', [flow(step.packet)]);
        }
        break;
      case 'receive':
        if (this.#worthReceiving()) {
          this.#add(this.#netns, step.device, [`${flow(step.packet)} ttl ${step.packet.ttl}`]);
        }
        break;
      case 'policy':
        if (step.action === 'DROP') this.#add(step.hook, step.table, [`policy of ${step.chain}: DROP`], 'bad');
        break;
      case 'route':
        if (step.action === 'unreachable') this.#add(this.#netns, 'route', [`no route to ${step.destination}`], 'bad');
        else if (this.#wide) this.#add(this.#netns, 'route', [routeText(step)]);
        else if (step.action === 'forward') this.#add(this.#netns, 'route', [shortRoute(routeText(step))]);
        break;
      case 'neighbor':
        if (step.action === 'failed') {
          this.#add(step.device, 'neighbor', [`nobody answers for ${step.ip}`], 'bad');
        } else if (this.#wide) {
          const text = step.mac === undefined ? `who has ${step.ip}?` : `${step.ip} is at ${step.mac}`;
          this.#add(step.device, 'neighbor', [text], 'faint');
        }
        break;
      case 'bridge':
        if (step.action === 'drop') this.#add(step.bridge, 'bridge', [`drop frame for ${step.mac}`], 'bad');
        else if (step.action !== 'local' || this.#wide) this.#add(step.bridge, 'bridge', [bridgeText(step)]);
        break;
      case 'encap':
        this.#add(step.device, step.type, [`packed into ${outer(step)}`]);
        this.#packed = true;
        break;
      case 'decap':
        this.#add(step.device, step.type, [`unpacked from ${outer(step)}`]);
        break;
      case 'socket':
        // The reply tells of the reset as well.
        if (this.#wide || step.action !== 'reset' || !this.#endedBadly()) {
          this.#add(this.#netns, 'socket', [socketText(step)], socketTone(step));
        }
        break;
      case 'icmp':
        this.#add(
          this.#netns,
          'icmp',
          [`${/^\d*$/.test(step.code) ? icmpText(step) : step.code} to ${step.to}`],
          'bad',
        );
        break;
      case 'drop':
        // What went wrong just before says why. Beyond the cluster, a drop is only where our knowledge ends.
        if (this.#wide || !(this.#endedBadly() || this.#leaves)) {
          const text = step.detail === undefined ? step.reason : `${step.reason}: ${step.detail}`;
          this.#add(this.#netns, 'drop', [text], 'bad');
        }
        break;
      case 'dns':
        this.#add(this.#netns, 'dns', [`${step.name} ${step.type}: ${step.rcode}`]);
        break;
      case 'http':
        // Who lost is for those who ask why; the request itself stands in the title.
        if (this.#wide || (step.action !== 'lost' && step.action !== 'request')) {
          this.#add(this.#netns, 'http', [step.text], httpTone(step));
        }
        break;
    }
  }

  /** Each pod a packet comes to is worth a line, and a node it comes to in the open; tunnels tell of it themselves. */
  #worthReceiving(): boolean {
    if (this.#hop.netns !== 'host' || this.#wide) return true;
    return this.#before?.node !== this.#hop.node && !this.#hop.steps.some((step) => step.kind === 'decap');
  }

  #rule(step: RuleStep): void {
    const last = this.#rules.at(-1);
    if (last !== undefined && (last.hook !== step.hook || last.table !== step.table)) this.#endRules();
    this.#rules.push(step);
    if (isRefusal(step)) {
      const { hook, table } = step;
      const details = [this.#chains(this.#rules), step.text].filter((text) => text !== '');
      this.#add(hook, table, details, 'bad');
      this.#rules = [];
    }
  }

  #nat(step: Extract<Step, { kind: 'nat' }>): void {
    const text = natText(step);
    const rules = this.#rules;
    if (rules.length > 0) {
      const { hook, table } = rules[0];
      this.#rules = [];
      this.#add(
        hook,
        table,
        [this.#chains(rules), text].filter((line) => line !== ''),
      );
      this.#told = { row: this.#rows.at(-1)!, rules };
      return;
    }
    const told = this.#told;
    if (told !== undefined && told.row === this.#rows.at(-1)) {
      this.#rows.pop();
      const row = { ...told.row, details: [...told.row.details, text] };
      this.#rows.push(row);
      this.#told = { row, rules: told.rules };
      return;
    }
    this.#add('conntrack', 'nat', [text]);
    this.#told = { row: this.#rows.at(-1)!, rules: [] };
  }

  #endRules(): void {
    const rules = this.#rules;
    this.#rules = [];
    if (rules.length === 0 || !this.#wide) return;
    const { hook, table, action } = rules.at(-1)!;
    this.#add(hook, table, [`${this.#chains(rules)} ${action}`.trimStart()], 'faint');
  }

  /** `KUBE-SERVICES > KUBE-SVC-… > KUBE-SEP-…   (1 of 3, p=0.33)`. */
  #chains(rules: readonly RuleStep[]): string {
    const chains = chainPath(rules).filter((chain) => chain !== rules[0].hook);
    const text = chains.map((chain) => (this.#wide ? chain : shortChain(chain))).join(' > ');
    const notes: string[] = [];
    for (const rule of rules) {
      const choice = this.#choice(rule);
      if (choice !== undefined && choice.of > 1)
        notes.push(`${choice.number} of ${choice.of}, p=${share(1 / choice.of, 2)}`);
      else if (choice === undefined && rule.probability !== undefined) notes.push(`p=${share(rule.probability, 2)}`);
    }
    if (rules.some((rule) => rule.chain === 'KUBE-MARK-MASQ')) notes.push('marked for masquerade');
    return notes.length === 0 ? text : `${text}   (${notes.join('; ')})`;
  }

  /** Said by the rule, or seen by how the other paths of the trace went on from the same chain. */
  #choice(rule: RuleStep): { number: number; of: number } | undefined {
    if (rule.choice !== undefined) return rule.choice;
    if (this.#trace.paths.length < 2 || !/^jump KUBE-SEP-/.test(rule.action)) return undefined;
    const indexes = new Set<number>();
    for (const path of this.#trace.paths) {
      for (const hop of path.request.hops) {
        for (const step of hop.steps) {
          if (step.kind === 'rule' && step.chain === rule.chain && /^jump KUBE-SEP-/.test(step.action)) {
            if (hop.node === this.#hop.node) indexes.add(step.index);
          }
        }
      }
    }
    const sorted = [...indexes].sort((a, b) => a - b);
    return { number: sorted.indexOf(rule.index) + 1, of: sorted.length };
  }
}

function isRefusal(step: RuleStep): boolean {
  return step.action === 'DROP' || step.action.startsWith('REJECT');
}

export function conntrackText(step: Extract<Step, { kind: 'conntrack' }>): string {
  return step.original === '' ? 'no entry' : `${step.original} | reply ${step.reply}`;
}

/** On the way back the table undoes what it did: a source rewritten there was a destination here. */
export function natText(step: Extract<Step, { kind: 'nat' }>): string {
  if (step.reply === true) return `un-${step.direction === 'src' ? 'dnat' : 'snat'} ${step.from} > ${step.to}`;
  return `${step.direction === 'dst' ? 'dnat' : 'snat'} ${step.from} > ${step.to}`;
}

export function routeText(step: Extract<Step, { kind: 'route' }>): string {
  if (step.route !== undefined) return step.route;
  const via = step.via === undefined ? '' : ` via ${step.via}`;
  const device = step.device === undefined ? '' : ` dev ${step.device}`;
  return `${step.destination}${via}${device}`;
}

/** Where it goes and how; who made the route, and what is only for packets of the node's own, left out. */
function shortRoute(route: string): string {
  return route.replace(/ (?:proto|scope|src|metric|table|pref) \S+/g, '');
}

export function bridgeText(step: Extract<Step, { kind: 'bridge' }>): string {
  const to = step.action === 'flood' ? 'every port' : (step.to ?? step.action);
  return step.from === step.bridge ? `to ${to}` : `${step.from} > ${to}`;
}

export function outer(step: Extract<Step, { kind: 'encap' | 'decap' }>): string {
  return `${step.outerSrc} > ${step.outerDst}${step.vni === undefined ? '' : ` vni ${step.vni}`}`;
}

export function socketText(step: Extract<Step, { kind: 'socket' }>): string {
  const who = [step.program, step.socket].filter((text) => text !== undefined).join(' on ');
  switch (step.action) {
    case 'no-listener':
      return step.socket === undefined ? 'nobody listens' : `nobody listens on ${step.socket}`;
    case 'reset':
      return 'answered with RST';
    default:
      return who === '' ? step.action : `${step.action} to ${who}`.replace('accepted to', 'accepted by');
  }
}

export function httpTone({ action, status = 0 }: Extract<Step, { kind: 'http' }>): Tone {
  if (action === 'lost') return 'faint';
  return status >= 400 ? 'bad' : 'plain';
}

function socketTone(step: Extract<Step, { kind: 'socket' }>): Tone {
  return step.action === 'delivered' || step.action === 'accepted' ? 'good' : 'bad';
}

export function icmpText(step: Extract<Step, { kind: 'icmp' }>): string {
  return step.code === '' || step.code === step.type ? step.type : `${step.type} ${step.code}`;
}
