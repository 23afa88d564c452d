import type { Node, ObjectStore, Pod, Service } from '@netsim/manifest';
import { formatIp, type Ip } from '@netsim/wire';

/** Whether queries to an address stay in the cluster, so that they may come back. */
export function inCluster(ip: Ip, store: ObjectStore): boolean {
  if (isLoopback(ip)) return true;
  const text = formatIp(ip);
  return (
    store.list<Service>('Service').some(({ spec }) => spec.clusterIP === text || spec.clusterIPs?.includes(text)) ||
    store.list<Pod>('Pod').some(({ status }) => status?.podIPs?.some((one) => one.ip === text)) ||
    store.list<Node>('Node').some(({ status }) => status?.addresses?.some(({ address }) => address === text))
  );
}

/** An address of the own network namespace. */
export function isLoopback(ip: Ip): boolean {
  return typeof ip === 'number' ? ip >>> 24 === 127 : ip === 1n;
}
