import type { AnyObject } from '@netsim/manifest';
import type { IngressView } from '../ingress/view.ts';

/** An object of one of Google's own kinds. Whether they live in namespaces the loader does not know: without one they fit any. */
export function customObject(view: IngressView, kind: string, namespace: string, name: string): AnyObject | undefined {
  return view
    .list<AnyObject>(kind)
    .find(({ metadata }) => metadata.name === name && (metadata.namespace ?? namespace) === namespace);
}
