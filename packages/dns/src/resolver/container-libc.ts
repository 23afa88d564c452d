import type { Container, Pod } from '@netsim/manifest';
import type { Libc } from './resolv-conf.ts';

/** Annotation on a pod: `musl`, `glibc`, or by container `sidecar=musl`; several by commas. */
export const LIBC_ANNOTATION = 'netsim.dev/libc';

/** How netsim knows which C library a container has. */
export interface ContainerLibc {
  readonly libc: Libc;
  readonly from: 'annotation' | 'image' | 'default';
}

/** Images built on Alpine or with musl, by the last parts of their name. Everything else known is glibc. */
const muslImages: ReadonlySet<string> = new Set([
  'agnhost',
  'alpine',
  'busybox',
  'curl',
  'curlimages/curl',
  'docker',
  'haproxytech/haproxy-alpine',
  'nicolaka/netshoot',
  'netshoot',
  'praqma/network-multitool',
  'wbitt/network-multitool',
  'network-multitool',
  'traefik',
  'tutum/curl-alpine',
]);

const glibcImages: ReadonlySet<string> = new Set([
  'debian',
  'ubuntu',
  'nginx',
  'httpd',
  'redis',
  'postgres',
  'mysql',
  'mariadb',
  'mongo',
  'node',
  'python',
  'ruby',
  'php',
  'golang',
  'perl',
  'openjdk',
  'eclipse-temurin',
  'tomcat',
  'centos',
  'fedora',
  'rockylinux',
  'almalinux',
  'amazonlinux',
  'buildpack-deps',
  'luksa/kubia',
  'tutum/curl',
  'tutum/dnsutils',
  'dnsutils',
  'jessie-dnsutils',
]);

/**
 * Which C library the programs of a container look names up with: what the annotation says, what the image is known
 * for (a tag with `alpine` or `musl` in it decides before its name), glibc otherwise, said as `default`.
 */
export function containerLibc(pod: Pod, container: Container | undefined = pod.spec.containers[0]): ContainerLibc {
  const annotated = fromAnnotation(pod.metadata.annotations?.[LIBC_ANNOTATION], container?.name);
  if (annotated !== undefined) return { libc: annotated, from: 'annotation' };
  const image = container?.image;
  const known = image === undefined ? undefined : imageLibc(image);
  return known === undefined ? { libc: 'glibc', from: 'default' } : { libc: known, from: 'image' };
}

/** By the name of an image, or undefined where it is not known. */
export function imageLibc(image: string): Libc | undefined {
  const withoutDigest = image.split('@')[0]!;
  const slash = withoutDigest.lastIndexOf('/');
  const colon = withoutDigest.indexOf(':', slash + 1);
  const path = colon < 0 ? withoutDigest : withoutDigest.slice(0, colon);
  const tag = colon < 0 ? '' : withoutDigest.slice(colon + 1);
  if (/alpine|musl/.test(tag)) return 'musl';
  const names = [path.split('/').slice(-2).join('/'), path.slice(slash + 1)];
  // BusyBox comes in a build for each library, said in the tag.
  if (names[1] === 'busybox' && /glibc|uclibc/.test(tag)) return 'glibc';
  if (names.some((name) => muslImages.has(name))) return 'musl';
  if (names.some((name) => glibcImages.has(name))) return 'glibc';
  return /alpine/.test(names[1]!) ? 'musl' : undefined;
}

function fromAnnotation(text: string | undefined, container: string | undefined): Libc | undefined {
  let found: Libc | undefined;
  for (const entry of (text ?? '').split(',')) {
    const [first = '', second] = entry.trim().split('=');
    const value = second ?? first;
    if (value !== 'musl' && value !== 'glibc') continue;
    if (second !== undefined && first === container) return value;
    if (second === undefined) found = value;
  }
  return found;
}
