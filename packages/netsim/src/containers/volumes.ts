import { dataOf, podField } from '@netsim/control';
import type { Container, DownwardFile, KeyToPath, ObjectStore, Pod, Volume, VolumeProjection } from '@netsim/manifest';
import { addFile, emptyTree, type FileTree, type Mount } from './file-system.ts';

/**
 * What the volumes of a pod put into a container. ConfigMaps, Secrets and the downward API are read as they are now; other volumes
 * are `kept`: directories that start empty and belong to the pod.
 */
export function mountsOf(
  store: ObjectStore,
  pod: Pod,
  container: Container,
  kept: (volume: string) => FileTree,
  now: number,
): Mount[] {
  const volumes = new Map((pod.spec.volumes ?? []).map((volume) => [volume.name, volume]));
  return (container.volumeMounts ?? []).flatMap(({ name, mountPath, subPath = '', readOnly = false }) => {
    const volume = volumes.get(name);
    if (volume === undefined) return [];
    const written = filesOf(store, pod, volume, now);
    const at = `/${mountPath.split('/').filter(Boolean).join('/')}`.replace(/^\/$/, '');
    const root = subPath.split('/').filter(Boolean).join('/');
    return [{ at, tree: written ?? kept(name), root, readOnly: readOnly || written !== undefined }];
  });
}

/** The files of a volume that the kubelet writes; undefined for one that it does not write. */
function filesOf(store: ObjectStore, pod: Pod, volume: Volume, now: number): FileTree | undefined {
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap === undefined && secret === undefined && downwardAPI === undefined && projected === undefined)
    return undefined;
  const sources: readonly VolumeProjection[] = projected?.sources ?? [
    {
      ...(configMap !== undefined && { configMap }),
      ...(secret !== undefined && {
        secret: {
          ...(secret.secretName !== undefined && { name: secret.secretName }),
          ...(secret.items !== undefined && { items: secret.items }),
        },
      }),
      ...(downwardAPI !== undefined && { downwardAPI }),
    },
  ];
  const tree = emptyTree(now);
  const { namespace = 'default' } = pod.metadata;
  for (const source of sources) {
    addData(tree, dataOf(store, 'ConfigMap', namespace, source.configMap?.name ?? ''), source.configMap?.items, now);
    addData(tree, dataOf(store, 'Secret', namespace, source.secret?.name ?? ''), source.secret?.items, now);
    for (const file of source.downwardAPI?.items ?? []) addField(tree, pod, file, now);
  }
  return tree;
}

function addData(
  tree: FileTree,
  data: ReadonlyMap<string, string> | undefined,
  items: readonly KeyToPath[] | undefined,
  now: number,
): void {
  for (const { key, path } of items ?? [...(data?.keys() ?? [])].map((key) => ({ key, path: key }))) {
    const text = data?.get(key);
    if (text !== undefined) addFile(tree, path, text, now);
  }
}

function addField(tree: FileTree, pod: Pod, { path, fieldRef }: DownwardFile, now: number): void {
  const text = fieldRef === undefined ? undefined : podField(pod, fieldRef.fieldPath);
  if (text !== undefined) addFile(tree, path, text, now);
}
