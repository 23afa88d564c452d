import { SeededRandom, type WorldPlan } from '@netsim/kernel';
import type { KubeObject, Service } from '@netsim/manifest';
import { compileAgent } from './agent.ts';
import { inParallel } from './command.ts';
import { compareObservations, type Difference } from './compare.ts';
import { Dice } from './dice.ts';
import { emulateSeries } from './emulated.ts';
import { buildLab, type Lab } from './lab.ts';
import type { Observation, Probe } from './observation.ts';
import { withOutsideRoutes } from './outside-routes.ts';
import { type RandomClusterOptions, randomCluster } from './random-cluster.ts';
import { randomFault } from './random-fault.ts';
import { randomProbes } from './random-probes.ts';
import { PROBE_TIMEOUT, probeReal } from './real.ts';
import { missingForLab } from './requirements.ts';
import { everyWay } from './steered.ts';

export interface VerifyOptions extends RandomClusterOptions {
  /** Probes in all, spread over the clusters. */
  readonly probes: number;
  readonly seed: number;
  /** Default: one for every 20 probes. */
  readonly clusters?: number;
  /** Told after every cluster. */
  readonly onCluster?: (done: number, of: number, disagreements: number) => void;
  /** Changes the plan that is emulated, and not the real one: to see that a difference is found. */
  readonly spoil?: (plan: WorldPlan) => WorldPlan;
}

/** A probe on which the real and the emulated kernel do not agree, with all that is needed to see it again. */
export interface Disagreement {
  readonly seed: number;
  /** Number of the cluster within the seed; -1 for differences of a whole ruleset. */
  readonly cluster: number;
  readonly fault?: string;
  /** The probe, after those that it follows. */
  readonly series: readonly Probe[];
  readonly differences: readonly Difference[];
  readonly objects: readonly KubeObject[];
  readonly real: readonly Observation[];
  readonly emulated: readonly Observation[];
}

export interface VerifyReport {
  readonly seed: number;
  readonly clusters: number;
  readonly probes: number;
  readonly agreed: number;
  /** Real probes that were silent at first and were asked again with more patience (a busy machine). */
  readonly repeated: number;
  readonly disagreements: readonly Disagreement[];
  /** What this machine lacks; then nothing was compared. */
  readonly missing: readonly string[];
}

/** Clusters that are built and asked at the same time. */
const CLUSTERS_AT_ONCE = 6;

/** How much longer than silence an answer is waited for. */
const ANSWER_PATIENCE = 12;
/**
 * Milliseconds after which a TCP client asks no more: before it sends its SYN again. The rules may choose another endpoint for
 * the second, and then no way through them fits what was seen.
 */
const TCP_PATIENCE = 900;

/** Random clusters from a seed, random probes on each, in the real kernel and in ours. */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  const { probes, seed, onCluster } = options;
  const clusters = Math.min(probes, options.clusters ?? Math.ceil(probes / 20));
  const missing = missingForLab();
  const report = { seed, clusters, probes: 0, agreed: 0, repeated: 0, disagreements: [], missing };
  let disagreements = 0;
  if (missing.length > 0) return report;
  const agent = await compileAgent();
  const results: ClusterResult[] = [];
  let done = 0;
  try {
    const numbers = Array.from({ length: clusters }, (_, number) => number);
    // Probes mostly wait, for silence to be silence: several clusters can wait at once.
    await inParallel(numbers, CLUSTERS_AT_ONCE, async (number) => {
      const share = Math.floor((probes * (number + 1)) / clusters) - Math.floor((probes * number) / clusters);
      const result = await verifyCluster(options, number, share, agent.program);
      results[number] = result;
      report.probes += share;
      report.agreed += result.agreed;
      report.repeated += result.repeated;
      done++;
      disagreements += result.disagreements.length;
      onCluster?.(done, clusters, disagreements);
    });
  } finally {
    agent.remove();
  }
  return { ...report, disagreements: results.flatMap((result) => result.disagreements) };
}

/** The objects, the plan with its fault, and the probes of one cluster of a seed. */
export async function clusterOfSeed(
  seed: number,
  number: number,
  probes: number,
  options: RandomClusterOptions = {},
): Promise<{ objects: KubeObject[]; plan: WorldPlan; fault?: string; probes: Probe[] }> {
  const dice = new Dice(seed, number);
  const objects = randomCluster(dice, options);
  const { Cluster } = await import('netsim');
  const cluster = await Cluster.load({ objects });
  const services = cluster.store.list<Service>('Service');
  const external = services.flatMap(({ spec, status }) => [
    ...(spec.externalIPs ?? []),
    ...(status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => (ip === undefined ? [] : [ip])),
  ]);
  const { plan, fault } = randomFault(withOutsideRoutes(cluster.plan(), external, dice), dice);
  return {
    objects,
    plan,
    probes: randomProbes(plan, services, probes, dice),
    ...(fault === undefined ? {} : { fault }),
  };
}

interface ClusterResult {
  readonly agreed: number;
  readonly repeated: number;
  readonly disagreements: readonly Disagreement[];
}

async function verifyCluster(
  options: VerifyOptions,
  number: number,
  count: number,
  agentProgram: string,
): Promise<ClusterResult> {
  const { seed, spoil = (plan) => plan } = options;
  const { objects, plan, fault, probes } = await clusterOfSeed(seed, number, count, options);
  const common = { seed, cluster: number, objects, ...(fault === undefined ? {} : { fault }) };
  const emulatedPlan = spoil(plan);
  const disagreements: Disagreement[] = [];
  let agreed = 0;
  let repeated = 0;
  const lab = await buildLab(plan, { agentProgram });
  try {
    for (const line of lab.ruleDifferences) {
      const differences = [{ what: 'ruleset', where: 'the listed rules', real: '', emulated: line }];
      disagreements.push({ ...common, series: [], differences, real: [], emulated: [] });
    }
    for (const series of inSeries(probes)) {
      let result = await compareSeries(lab, emulatedPlan, series, PROBE_TIMEOUT);
      for (let patience = 4; patience <= 16 && result.differences.length > 0 && isHasty(result.real); patience *= 2) {
        repeated++;
        result = await compareSeries(lab, emulatedPlan, series, patience * PROBE_TIMEOUT);
      }
      if (result.differences.length === 0) agreed += series.length;
      else {
        agreed += series.length - 1;
        disagreements.push({ ...common, series, ...result });
      }
    }
  } finally {
    await lab.down();
  }
  return { agreed, repeated, disagreements };
}

/** What was seen may be owed to a busy machine: something was too late, or got lost. */
function isHasty(real: readonly Observation[]): boolean {
  return real.some(({ outcome, incomplete }) => incomplete === true || HASTY_OUTCOMES.has(outcome));
}

/** `silent`: connected, then nothing came in time. The errno is that of a neighbour who did not answer in time. */
const HASTY_OUTCOMES: ReadonlySet<string> = new Set(['timeout', 'silent', 'EHOSTUNREACH']);

/** Probes that follow one another with the state kept belong together. */
function inSeries(probes: readonly Probe[]): Probe[][] {
  const result: Probe[][] = [];
  for (const probe of probes) {
    if (probe.keepState === true && result.length > 0) result.at(-1)!.push(probe);
    else result.push([probe]);
  }
  return result;
}

/** One series in both kernels. The differences are those of the way through the random rules that comes nearest. */
export async function compareSeries(
  lab: Lab,
  plan: WorldPlan,
  series: readonly Probe[],
  timeout = PROBE_TIMEOUT,
): Promise<{ differences: Difference[]; real: Observation[]; emulated: Observation[] }> {
  const expected = emulateSeries(plan, series, new SeededRandom(1));
  const real: Observation[] = [];
  for (const [i, probe] of series.entries()) {
    // Where something is expected to come, patience costs nothing, and a busy machine may take its time.
    const patience = timeout * (expected[i]!.outcome === 'timeout' ? 1 : ANSWER_PATIENCE);
    real.push(await probeReal(lab, probe, probe.protocol === 'tcp' ? Math.min(patience, TCP_PATIENCE) : patience));
  }
  let nearest: { differences: Difference[]; emulated: Observation[] } | undefined;
  everyWay((random) => {
    const emulated = emulateSeries(plan, series, random);
    const differences = real.flatMap((observation, i) => compareObservations(observation, emulated[i]!));
    if (nearest === undefined || differences.length < nearest.differences.length) nearest = { differences, emulated };
    return differences.length === 0;
  });
  if (nearest === undefined) throw new Error('no way was walked');
  return { ...nearest, real };
}
