import { containerLibc } from '@netsim/dns';
import type { Container, Pod } from '@netsim/manifest';
import { imageName } from '../listeners.ts';

/** GNU coreutils, iputils and wget of Debian and its like, or BusyBox. */
export type Userland = 'gnu' | 'busybox';

/** Images with musl that bring the tools of bind all the same. */
const withBindTools = /netshoot|multitool|agnhost|dnsutils/;

/** Small images have BusyBox; those made for looking at networks bring the full tools on top of it. */
export function userlandOf(pod: Pod, container: Container): Userland {
  const image = container.image ?? '';
  if (withBindTools.test(image)) return 'gnu';
  return imageName(image) === 'busybox' || containerLibc(pod, container).libc === 'musl' ? 'busybox' : 'gnu';
}
