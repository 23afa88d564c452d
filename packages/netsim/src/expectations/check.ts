import { type Finding, ManifestError, type Pod } from '@netsim/manifest';
import { type Path, SCHEMA_VERSION, type Trace } from '@netsim/trace';
import { formatIp, tryParseIp } from '@netsim/wire';
import type { Cluster } from '../cluster.ts';
import { UsageError } from '../errors.ts';
import { fetchFrom } from '../fetch-from.ts';
import type { Expectation, ExpectationResult, TestReport } from './model.ts';

/**
 * Asks a cluster whether it meets expectations: every way that a packet may take must.
 * @throws ManifestError with every name in them that does not exist.
 */
export async function checkExpectations(cluster: Cluster, expectations: readonly Expectation[]): Promise<TestReport> {
  const findings: Finding[] = [];
  const results: ExpectationResult[] = [];
  for (const expectation of expectations) {
    try {
      results.push(await check(cluster, expectation));
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      const { name, file, line } = expectation;
      const message = `expectation "${name}": ${error.message}`;
      findings.push({ severity: 'error', code: 'expectations', message, file, line });
    }
  }
  if (findings.length > 0) throw new ManifestError(findings);
  const passed = results.filter(({ ok }) => ok).length;
  return { schemaVersion: SCHEMA_VERSION, kind: 'TestReport', passed, failed: results.length - passed, results };
}

async function check(cluster: Cluster, expectation: Expectation): Promise<ExpectationResult> {
  const { name, from, to, protocol, file, line } = expectation;
  const trace = cluster.trace({ from, to, allPaths: true, ...(protocol !== undefined && { protocol }) });
  const problems = [
    ...(await endings(cluster, expectation, trace)),
    ...backends(cluster, expectation, trace),
    ...sources(cluster, expectation, trace),
  ];
  return { name, ok: problems.length === 0, from, to, file, line, problems, trace };
}

/** What ends otherwise than it should. */
async function endings(cluster: Cluster, { from, to, expect }: Expectation, trace: Trace): Promise<string[]> {
  if (expect.kind === 'disposition') {
    const { disposition } = expect;
    return told(
      trace,
      trace.paths.filter((path) => path.disposition !== disposition),
      (path) => `expected ${disposition}, got ${path.disposition}`,
    );
  }
  const { status, bodyContains, insecure } = expect;
  const problems = told(
    trace,
    trace.paths.filter((path) =>
      path.http?.status === undefined ? path.disposition !== 'DELIVERED' : path.http.status !== (status ?? 200),
    ),
    (path) => `expected ${wantedText(status)}, got ${path.http?.status ?? path.disposition}`,
  );
  if (problems.length > 0) return problems;
  const source = cluster.names().source(from);
  let response: Response;
  try {
    response = await fetchFrom(cluster, source, to, { insecure, redirect: 'manual' });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return [`expected ${wantedText(status)}, got an error: ${error.message}`];
  }
  const body = await response.text();
  if (response.status !== (status ?? response.status))
    problems.push(`expected status ${status}, got ${response.status}`);
  if (bodyContains !== undefined && !body.includes(bodyContains))
    problems.push(`expected a body with ${JSON.stringify(bodyContains)}, got ${JSON.stringify(body.slice(0, 80))}`);
  return problems;
}

function wantedText(status: number | undefined): string {
  return status === undefined ? 'an answer' : `status ${status}`;
}

/** Traffic that goes to somebody who is not named, and names that get none. */
function backends(cluster: Cluster, { backends: wanted }: Expectation, { paths }: Trace): string[] {
  if (wanted === undefined) return [];
  const addresses = wanted.map((name) => new Set(addressesOf(cluster, name)));
  const reached = paths.flatMap(({ backend, disposition }) =>
    backend === undefined || disposition === 'NO_LISTENER' ? [] : [backend],
  );
  const others = reached.filter(({ ip }) => !addresses.some((each) => each.has(ip))).map(({ name }) => name);
  const idle = wanted.filter((_, at) => !reached.some(({ ip }) => addresses[at]!.has(ip)));
  return [
    ...[...new Set(others)].map((name) => `unexpected backend ${name}`),
    ...idle.map((name) => `expected backend ${name} gets nothing`),
  ];
}

/** Addresses of a workload's pods, of a pod, or the address itself. */
function addressesOf(cluster: Cluster, text: string): string[] {
  const ip = tryParseIp(text);
  if (ip !== undefined) return [formatIp(ip)];
  const pods: readonly Pod[] = cluster.names().pods(text);
  return pods.flatMap(({ status }) => (status?.podIPs ?? []).map((each) => each.ip));
}

function sources(cluster: Cluster, { sourceSeen: wanted }: Expectation, trace: Trace): string[] {
  if (wanted === undefined) return [];
  const is = (seen: string): boolean => {
    if (wanted === 'pod') return seen === trace.source.ip;
    if (wanted !== 'node') return tryParseIp(wanted) !== undefined && seen === formatIp(tryParseIp(wanted)!);
    return cluster.store.list('Node').some(({ metadata }) =>
      cluster
        .netnsOfMachine(metadata.name)
        .addresses()
        .some(({ address }) => formatIp(address) === seen),
    );
  };
  if (wanted !== 'pod' && wanted !== 'node' && tryParseIp(wanted) === undefined)
    throw new UsageError(`sourceSeen: ${JSON.stringify(wanted)} is no address`, 'write pod, node or an address');
  const whose =
    wanted === 'pod'
      ? `the source's own address ${trace.source.ip}`
      : wanted === 'node'
        ? 'an address of a node'
        : wanted;
  return told(
    trace,
    trace.paths.filter(({ sourceSeen }) => sourceSeen === undefined || !is(sourceSeen)),
    ({ sourceSeen }) => `expected ${whose} to be seen, got ${sourceSeen ?? 'no packet'}`,
  );
}

/** Problems of paths, each said once, and on how many of the ways where not on all. */
function told({ paths }: Trace, wrong: readonly Path[], say: (path: Path) => string): string[] {
  const counts = new Map<string, number>();
  for (const path of wrong) counts.set(say(path), (counts.get(say(path)) ?? 0) + 1);
  return [...counts].map(([text, count]) =>
    count === paths.length ? text : `${text} on ${count} of ${paths.length} ways`,
  );
}
