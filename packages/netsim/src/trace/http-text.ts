import type { Forward, FrontRequest, RouteRule } from '@netsim/ingress';
import type { RoutePlace } from '../ingress/route-table.ts';

/** `ingress/kubia (kubia.yaml:31) kubia.example.com/bar Prefix`. */
export function ruleText(
  { kind, namespace, name, host, path, pathType }: RouteRule,
  { file, line }: RoutePlace,
): string {
  const object = `${kind.toLowerCase()}/${namespace === 'default' ? '' : `${namespace}/`}${name}`;
  const where = file === undefined ? '' : ` (${file}${line === undefined ? '' : `:${line}`})`;
  return `${object}${where} ${host}${path} ${pathType}`.trimEnd();
}

/** What a rule changes of the request before the backend gets it, a line each. */
export function changesOf(forward: Forward, front: FrontRequest): string[] {
  const lines: string[] = [];
  const { target, host, headers, mirrors, copies = [], auth, tlsToBackend } = forward;
  if (auth !== undefined) lines.push(`asks ${auth.url} first whether the request may pass`);
  if (target !== front.target) lines.push(`rewritten to ${target}`);
  if (host !== (front.host ?? '')) lines.push(`Host: ${host}`);
  const before = new Map(front.headers.map(([name, value]) => [name.toLowerCase(), value]));
  for (const [name, value] of headers) {
    if (before.get(name.toLowerCase()) !== value) lines.push(`${name}: ${value}`);
  }
  const after = new Set(headers.map(([name]) => name.toLowerCase()));
  for (const [name] of front.headers) if (!after.has(name.toLowerCase())) lines.push(`without ${name}`);
  for (const mirror of mirrors) {
    if (mirror.kind === 'service') lines.push(`a copy goes to svc/${mirror.name}:${mirror.port}`);
  }
  for (const { url } of copies) lines.push(`a copy goes to ${url}`);
  if (tlsToBackend) lines.push('TLS to the backend');
  return lines;
}
