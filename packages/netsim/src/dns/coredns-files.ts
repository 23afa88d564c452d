import type { ConfigMap, Container, ObjectStore, Pod } from '@netsim/manifest';
import { imageName, imagePorts } from '../listeners.ts';
import { nodeCacheContainer, withUpstreams } from './node-cache.ts';

const images: ReadonlySet<string> = new Set(['coredns/coredns', 'coredns']);
/** Where CoreDNS looks without `-conf`. */
const DEFAULT_PATH = 'Corefile';

/** A pod whose program is CoreDNS: by its image, or by its label where nothing is known of the image. */
export function isCoreDns(pod: Pod): boolean {
  return coreDnsContainer(pod) !== undefined;
}

/** The container of a pod that runs CoreDNS. */
export function coreDnsContainer(pod: Pod): Container | undefined {
  const { metadata, spec } = pod;
  const known = nodeCacheContainer(pod) ?? spec.containers.find(({ image }) => images.has(imageName(image ?? '')));
  if (known !== undefined) return known;
  const strange = !spec.containers.some(({ image }) => imagePorts.has(imageName(image ?? '')));
  return metadata.labels?.['k8s-app'] === 'kube-dns' && strange ? spec.containers[0] : undefined;
}

/** The ConfigMap that a file is from, and its key. */
export interface FileSource {
  readonly configMap: ConfigMap;
  readonly key: string;
}

/** What CoreDNS reads in its container. */
export interface CoreDnsFiles {
  /** The path of the Corefile, as messages tell it. */
  readonly path: string;
  /** Undefined where there is none: CoreDNS then knows no name of the cluster. */
  readonly corefile: string | undefined;
  /** The ConfigMap that the Corefile is from, and its key. */
  readonly source?: FileSource;
  /** Where those of the files are from that a ConfigMap has, by path. */
  readonly sources: ReadonlyMap<string, FileSource>;
  /** All files by path. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * The files of a CoreDNS pod as they are now: those of the ConfigMaps that its container mounts; where the manifests mount none, the
 * Corefile of ConfigMap `coredns`. Which file is the Corefile, the argument `-conf` says.
 */
export function coreDnsFiles(pod: Pod, store: ObjectStore, resolvConf: string): CoreDnsFiles {
  const found = readFiles(pod, store, resolvConf);
  return found.corefile === undefined ? found : { ...found, corefile: withUpstreams(found.corefile, pod, store) };
}

function readFiles(pod: Pod, store: ObjectStore, resolvConf: string): CoreDnsFiles {
  const { namespace } = pod.metadata;
  const container = coreDnsContainer(pod);
  const configMapOf = (name: string) => store.get<ConfigMap>('ConfigMap', namespace, name);
  const words = [...(container?.command ?? []), ...(container?.args ?? [])];
  const at = words.findIndex((word) => /^--?conf$/.test(word));
  const given = at < 0 ? words.find((word) => /^--?conf=/.test(word))?.replace(/^--?conf=/, '') : words[at + 1];
  const path = given ?? DEFAULT_PATH;
  const files: Record<string, string> = { '/etc/resolv.conf': resolvConf };
  const sources = new Map<string, FileSource>();
  const put = (file: string, configMap: ConfigMap, key: string): void => {
    files[file] = configMap.data![key]!;
    sources.set(file, { configMap, key });
  };
  for (const { name, mountPath, subPath = '' } of container?.volumeMounts ?? []) {
    const volume = pod.spec.volumes?.find((one) => one.name === name)?.configMap;
    const configMap = volume?.name === undefined ? undefined : configMapOf(volume.name);
    const keys = Object.keys(configMap?.data ?? {});
    for (const { key, path: file } of volume?.items ?? keys.map((one) => ({ key: one, path: one }))) {
      if (configMap === undefined || !keys.includes(key)) continue;
      if (subPath === '') put(`${mountPath.replace(/\/$/, '')}/${file}`, configMap, key);
      else if (subPath === file) put(mountPath, configMap, key);
    }
  }
  const mounted = sources.get(path);
  if (mounted !== undefined) return { path, corefile: files[path], source: mounted, sources, files };
  // Manifests are often told without their volumes.
  const volumes = (pod.spec.volumes ?? []).flatMap(({ configMap }) => configMap?.name ?? []);
  for (const name of [...volumes, 'coredns']) {
    const configMap = configMapOf(name);
    const corefile = configMap?.data?.Corefile;
    if (configMap !== undefined && corefile !== undefined)
      return { path, corefile, source: { configMap, key: 'Corefile' }, sources, files };
  }
  return { path, corefile: undefined, sources, files };
}
