import { existsSync, readdirSync } from 'node:fs';
import type { NetnsConfig, WorldPlan } from '@netsim/kernel';
import { formatIp } from '@netsim/wire';
import { Agent, compileAgent } from './agent.ts';
import { inParallel, runCommand, runCommandNow } from './command.ts';
import { cableLines, fdbLines, netnsLines, sysctlPath, type VethPeer } from './ip-commands.ts';
import { missingForPlan } from './requirements.ts';
import { type KernelRule, kernelNftFamily, readKernelRules } from './rule-handles.ts';
import { dynamicSets, loadRules, rulesByNetns } from './rulesets.ts';

/** All namespaces of all labs start with this, then the pid of the process that made them. */
export const LAB_PREFIX = 'nslab';
/** nf_tables table that turns the kernel's trace on; not part of what is compared. */
export const TRACE_TABLE = 'netsim-lab';
const NETNS_FOLDER = '/run/netns';

/** Milliseconds: how long the addresses of a lab may take to come into use, and how often they are looked at. */
const SETTLE_TIMEOUT = 30_000;
const SETTLE_INTERVAL = 20;

/** The sysctl, and its value, by which a server answers a SYN once: what it sends again would be met by the probe after. */
export const ONE_SYN_ACK = ['net.ipv4.tcp_synack_retries', 0] as const;

export interface LabOptions {
  /** Names of the namespaces start with it. Default `nslab-<pid>-<n>`. */
  readonly prefix?: string;
  /** Leaves sysctls that only make failures quick (neighbour probes, ICMP rate limits) at Linux's defaults. Default false. */
  readonly realTiming?: boolean;
  /** A compiled agent to use (from {@link compileAgent}); default: compiled for this lab. */
  readonly agentProgram?: string;
  /** Stays after this process ends. Default false. */
  readonly stay?: boolean;
  /** Namespaces are named after the plan's netns instead of numbered. Default false. */
  readonly readable?: boolean;
  /** No agent and so no listeners, probes or traces: only namespaces to look around in. */
  readonly passive?: boolean;
}

/** A world plan, standing as real network namespaces. */
export interface Lab {
  readonly plan: WorldPlan;
  readonly prefix: string;
  /** Null in a passive lab. */
  readonly agent: Agent | null;
  /** Real name of a netns, for `ip netns exec`. */
  realName(netns: string): string;
  /** The agent's number of a netns, and back. */
  indexOf(netns: string): number;
  nameOf(index: number): string;
  /** The rule that a handle of the kernel's trace means. */
  ruleOf(netns: string, family: number, table: string, handle: number): KernelRule | undefined;
  /** Where what the kernel printed of the rules differs from what was loaded: one line each. */
  readonly ruleDifferences: readonly string[];
  /** Removes everything. May be called twice. */
  down(): Promise<void>;
}

/** Thrown where this machine cannot hold a lab. */
export class LabUnavailable extends Error {
  override readonly name = 'LabUnavailable';
  readonly missing: readonly string[];
  constructor(missing: readonly string[]) {
    super(`needs ${missing.join(', ')}`);
    this.missing = missing;
  }
}

/** A sysctl that every netns shows and only the first one can set. */
const MACHINE_WIDE = 'net.netfilter.nf_conntrack_max';

let labCount = 0;

/**
 * Builds the plan from real namespaces: a namespace per netns, a switch (a bridge in a namespace of its own) per segment.
 * Whatever happens, also an interrupt, the namespaces are removed; after a crash of the whole process `removeLabs` does it.
 */
export async function buildLab(plan: WorldPlan, options: LabOptions = {}): Promise<Lab> {
  const missing = missingForPlan(plan);
  if (missing.length > 0) throw new LabUnavailable(missing);
  const builder = new LabBuilder(plan, options);
  try {
    await builder.build();
  } catch (error) {
    builder.removeNow();
    throw error;
  }
  return builder;
}

class LabBuilder implements Lab {
  readonly plan: WorldPlan;
  readonly prefix: string;
  readonly ruleDifferences: string[] = [];
  agent: Agent | null = null;
  readonly #options: LabOptions;
  readonly #names: string[] = [];
  readonly #index = new Map<string, number>();
  readonly #segments: string[];
  readonly #rules = new Map<string, Map<string, KernelRule>>();
  /** Ends of veth pairs by the netns they live in, where the other end describes them. */
  readonly #peers = new Map<string, VethPeer[]>();
  #removeAgent: () => void = () => {};
  #down = false;
  readonly #onExit = (): void => this.removeNow();
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    this.removeNow();
    process.kill(process.pid, signal); // our own handler is off by now: the process ends as it would have
  };

  constructor(plan: WorldPlan, options: LabOptions) {
    this.plan = plan;
    this.#options = options;
    this.prefix = options.prefix ?? `${LAB_PREFIX}-${process.pid}-${labCount++}`;
    for (const { name } of plan.netns) {
      this.#index.set(name, this.#names.length);
      this.#names.push(name);
    }
    for (const link of plan.netns.flatMap((netns) => netns.links)) {
      if (link.kind === 'veth')
        this.#peers.set(link.peer.netns, [...(this.#peers.get(link.peer.netns) ?? []), link.peer]);
    }
    const segments = plan.netns.flatMap((netns) =>
      netns.links.flatMap((link) => (link.kind === 'physical' ? [link.segment] : [])),
    );
    this.#segments = [...new Set(segments)];
  }

  realName(netns: string): string {
    const index = this.indexOf(netns);
    return `${this.prefix}-${this.#options.readable === true ? netns.replaceAll('/', '.') : index}`;
  }
  indexOf(netns: string): number {
    const index = this.#index.get(netns);
    if (index === undefined) throw new Error(`no netns ${netns} in this lab`);
    return index;
  }
  nameOf(index: number): string {
    return this.#names[index] ?? `switch ${index}`;
  }
  ruleOf(netns: string, family: number, table: string, handle: number): KernelRule | undefined {
    return this.#rules.get(netns)?.get(`${family} ${table} ${handle}`);
  }

  #switchName(segment: string): string {
    return `${this.prefix}-s${this.#segments.indexOf(segment)}`;
  }
  #allNames(): string[] {
    return [
      ...this.plan.netns.map((netns) => this.realName(netns.name)),
      ...this.#segments.map((s) => this.#switchName(s)),
    ];
  }

  async build(): Promise<void> {
    const { plan } = this;
    if (this.#options.stay !== true) {
      process.on('exit', this.#onExit);
      process.once('SIGINT', this.#onSignal).once('SIGTERM', this.#onSignal);
    }
    const ready = this.#options.passive === true ? undefined : this.#startAgent();
    await runCommand(['ip', '-batch', '-'], lines(this.#allNames().map((name) => `netns add ${name}`)));
    await ready;
    const agent = this.agent;
    if (agent !== null) for (const name of this.#allNames()) await agent.ask('open', `${NETNS_FOLDER}/${name}`);
    await this.#sysctls((name) => !isPerDevice(name));
    await this.#connect();
    await inParallel(plan.netns, 6, (config) => this.#fill(config));
    await this.#sysctls(isPerDevice);
    await this.#loadRulesets();
    if (agent === null) return;
    for (const { netns, protocol, address, port, program } of plan.listeners) {
      if (protocol === 'sctp') continue;
      const where = address === undefined ? '*' : formatIp(address);
      await agent.ask('listen', this.indexOf(netns), protocol, where, port, wordOf(program)).catch((error: Error) => {
        if (!error.message.includes('Address already in use')) throw error; // whoever comes second does not listen
      });
    }
    for (const { name } of plan.netns) await agent.ask('capture', this.indexOf(name));
    await this.#settle(agent);
  }

  /**
   * Waits until every IPv6 address is in use. The kernel tells of a device that came up when it finds the time, at most once a
   * second for all of them; until then its addresses are neither answered for nor taken as a source.
   */
  async #settle(agent: Agent): Promise<void> {
    const deadline = performance.now() + SETTLE_TIMEOUT;
    for (const { name } of this.plan.netns) {
      const index = this.indexOf(name);
      while ((await agent.ask<{ tentative: number }>('tentative', index)).tentative > 0) {
        if (performance.now() > deadline) throw new Error(`the addresses of ${name} do not come into use`);
        await new Promise((resolve) => setTimeout(resolve, SETTLE_INTERVAL));
      }
    }
  }

  async #startAgent(): Promise<void> {
    let program = this.#options.agentProgram;
    if (program === undefined) {
      const compiled = await compileAgent();
      this.#removeAgent = compiled.remove;
      program = compiled.program;
    }
    this.agent = new Agent(program);
  }

  /** Cables and switches. */
  async #connect(): Promise<void> {
    const portCount = new Map<string, number>();
    const cables = cableLines(
      this.plan.netns,
      (netns) => this.realName(netns),
      (segment) => {
        const number = portCount.get(segment) ?? 0;
        portCount.set(segment, number + 1);
        return { netns: this.#switchName(segment), port: `port${number}` };
      },
    );
    await runCommand(['ip', '-batch', '-'], lines(cables));
    await inParallel(this.#segments, 4, async (segment) => {
      const work = ['link add name switch type bridge', 'link set dev switch up'];
      for (let port = 0; port < (portCount.get(segment) ?? 0); port++) {
        work.push(`link set dev port${port} master switch`, `link set dev port${port} up`);
      }
      await runCommand(['ip', '-n', this.#switchName(segment), '-batch', '-'], lines(work));
    });
  }

  async #fill(config: NetnsConfig): Promise<void> {
    const peers = this.#peers.get(config.name) ?? [];
    const real = this.realName(config.name);
    await runCommand(['ip', '-n', real, '-batch', '-'], lines(netnsLines(config, peers)));
    const fdb = fdbLines(config);
    if (fdb.length > 0) await runCommand(['bridge', '-n', real, '-batch', '-'], lines(fdb));
  }

  async #sysctls(wanted: (name: string) => boolean): Promise<void> {
    for (const config of this.plan.netns) {
      const values = Object.entries(this.#options.realTiming === true ? {} : quickFailures(this.#devices(config)));
      values.push(...Object.entries(config.sysctls ?? {}));
      for (const [name, value] of values) {
        if (wanted(name) && name !== MACHINE_WIDE) await this.#sysctl(config.name, name, value);
      }
    }
  }

  #devices(config: NetnsConfig): Set<string> {
    return new Set([...config.links, ...(this.#peers.get(config.name) ?? [])].map((link) => link.name));
  }

  async #sysctl(netns: string, name: string, value: number): Promise<void> {
    const path = sysctlPath(name);
    if (this.agent !== null) await this.agent.ask('sysctl', this.indexOf(netns), path, value);
    else await runCommand([...this.#inside(netns), 'sh', '-c', `echo ${value} > ${path}`]);
  }

  #inside(netns: string): string[] {
    return ['nsenter', `--net=${NETNS_FOLDER}/${this.realName(netns)}`];
  }

  async #loadRulesets(): Promise<void> {
    const { agent } = this;
    await inParallel([...rulesByNetns(this.plan)], 4, async ([netns, rules]) => {
      this.ruleDifferences.push(...(await loadRules(netns, rules, this.#inside(netns))));
      if (agent === null) return;
      await runCommand([...this.#inside(netns), 'nft', '-f', '-'], traceTables());
      const index = this.indexOf(netns);
      await agent.ask('trace', index);
      for (const { family, table, set } of rules.nft.flatMap(dynamicSets)) {
        await agent.ask('dynamic-set', index, kernelNftFamily[family], table, set);
      }
      const handles = await agent.ask<{ rules: [number, string, string, number][] }>('rules', index);
      this.#rules.set(netns, readKernelRules(rules.iptables, rules.nft, handles.rules));
    });
  }

  down(): Promise<void> {
    this.removeNow();
    return Promise.resolve();
  }

  /** Everything away, before the next line runs. */
  removeNow(): void {
    if (this.#down) return;
    this.#down = true;
    process.off('exit', this.#onExit).off('SIGINT', this.#onSignal).off('SIGTERM', this.#onSignal);
    this.agent?.stop();
    this.#removeAgent();
    removeNetns(this.#allNames());
  }
}

/**
 * Removes the namespaces of earlier labs whose process is no more; with `all` those of every process, whose name starts
 * with `prefix`. Returns the names removed.
 */
export function removeLabs({ all = false, prefix = LAB_PREFIX } = {}): string[] {
  if (!existsSync(NETNS_FOLDER)) return [];
  const names = readdirSync(NETNS_FOLDER).filter((name) => {
    if (all) return name.startsWith(`${prefix}-`);
    const pid = new RegExp(`^${prefix}-(\\d+)-`).exec(name)?.[1];
    return pid !== undefined && !existsSync(`/proc/${pid}`);
  });
  removeNetns(names);
  return names;
}

function removeNetns(names: readonly string[]): void {
  const there = names.filter((name) => existsSync(`${NETNS_FOLDER}/${name}`));
  if (there.length > 0) {
    runCommandNow(['ip', '-force', '-batch', '-'], lines(there.map((name) => `netns del ${name}`)));
  }
}

/**
 * So that what fails, fails soon, ICMP errors are not rationed, and nothing is learned from one probe for the next. No address,
 * configured route or rule depends on it.
 */
function quickFailures(devices: Iterable<string>): Record<string, number> {
  const values: Record<string, number> = {
    // Not icmp_ratelimit 0: that leaves no tokens for the errors that the routing code rations from the same purse.
    'net.ipv4.icmp_ratemask': 0,
    'net.ipv6.icmp.ratelimit': 0,
    [ONE_SYN_ACK[0]]: ONE_SYN_ACK[1],
    'net.ipv6.conf.default.accept_dad': 0,
    'net.ipv6.conf.default.accept_ra': 0,
    'net.ipv6.conf.default.router_solicitations': 0,
    // A route learned from a redirect would lead later probes another way, or not: redirects are rationed by the second.
    'net.ipv4.conf.all.send_redirects': 0,
    'net.ipv4.conf.all.accept_redirects': 0,
  };
  for (const name of devices) {
    values[`net.ipv4.neigh.${name}.retrans_time_ms`] = 60;
    values[`net.ipv6.neigh.${name}.retrans_time_ms`] = 60;
    values[`net.ipv4.conf.${name}.send_redirects`] = 0;
    values[`net.ipv4.conf.${name}.accept_redirects`] = 0;
    values[`net.ipv6.conf.${name}.accept_redirects`] = 0;
    // An anycast address is answered for after a random while of up to this.
    values[`net.ipv6.neigh.${name}.proxy_delay`] = 0;
  }
  return values;
}

function isPerDevice(name: string): boolean {
  return /^net\.ipv[46]\.(conf|neigh)\.(?!all\.|default\.)/.test(name);
}

function traceTables(): string {
  const chains = ['prerouting', 'output'].map(
    (hook) =>
      `chain ${hook} { type filter hook ${hook} priority -450; meta l4proto { tcp, udp, icmp, icmpv6 } meta nftrace set 1; };`,
  );
  return ['ip', 'ip6'].map((family) => `table ${family} ${TRACE_TABLE} { ${chains.join(' ')} };\n`).join('');
}

function lines(parts: readonly string[]): string {
  return parts.map((part) => `${part}\n`).join('');
}

/** A program's name as one word of the agent's language. */
function wordOf(program: string): string {
  return program.replaceAll(/\s+/g, '_') || 'server';
}
