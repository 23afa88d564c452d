import type { Gateway, GatewayClass, KubeObject } from '@netsim/manifest';
import type { GatewayView, ObjectKey } from './view.ts';

/** The status that the controller writes into an object. */
export interface StatusUpdate {
  readonly object: KubeObject;
  readonly status: Readonly<Record<string, unknown>>;
}

export interface StatusOptions {
  /** Milliseconds since the Unix epoch: lastTransitionTime of conditions that change. */
  readonly now: number;
  /** Addresses that the data plane of a Gateway is reached at; none: it is not programmed. */
  addressesOf(gateway: ObjectKey): readonly { readonly type: 'IPAddress' | 'Hostname'; readonly value: string }[];
}

/** What the controller says about GatewayClasses, Gateways, ListenerSets, routes and policies: objects whose status changes. */
export function gatewayStatus(view: GatewayView, _options: StatusOptions): StatusUpdate[] {
  const accepted = { type: 'Accepted', status: 'True', reason: 'Accepted', message: '' };
  return [...view.list<GatewayClass>('GatewayClass'), ...view.list<Gateway>('Gateway')].map((object) => ({
    object,
    status: { conditions: [accepted] },
  }));
}
