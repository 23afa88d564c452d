export type NssStatus = 'SUCCESS' | 'NOTFOUND' | 'UNAVAIL' | 'TRYAGAIN';

/** One source of host names, and the outcomes after which no further source is asked. */
export interface NssService {
  readonly name: 'files' | 'dns';
  readonly stopsOn: ReadonlySet<NssStatus>;
}

const statuses: readonly NssStatus[] = ['SUCCESS', 'NOTFOUND', 'UNAVAIL', 'TRYAGAIN'];
const standard: readonly NssService[] = [
  { name: 'files', stopsOn: new Set(['SUCCESS']) },
  { name: 'dns', stopsOn: new Set(['SUCCESS']) },
];

/**
 * The `hosts` line of `/etc/nsswitch.conf`; `files dns` without one. Other services than `files` and `dns` are passed over,
 * as where their module is not installed.
 */
export function parseNsswitch(text: string | undefined): readonly NssService[] {
  const line = /^[ \t]*hosts:(.*)$/m.exec(text ?? '')?.[1];
  if (line === undefined) return standard;
  const services: NssService[] = [];
  for (const match of line.replace(/#.*$/, '').matchAll(/([a-z0-9_]+)\s*((?:\[[^\]]*\]\s*)*)/gi)) {
    const name = match[1]!;
    if (name !== 'files' && name !== 'dns') continue;
    const stopsOn = new Set<NssStatus>(['SUCCESS']);
    for (const [, not, status, action] of match[2]!.matchAll(/(!?)\s*([a-z]+)\s*=\s*([a-z]+)/gi)) {
      for (const each of statuses) {
        if ((each === status!.toUpperCase()) === (not === '!')) continue;
        if (action!.toLowerCase() === 'return') stopsOn.add(each);
        else stopsOn.delete(each);
      }
    }
    services.push({ name, stopsOn });
  }
  return services;
}
