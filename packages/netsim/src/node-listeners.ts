import { isControlPlane } from '@netsim/control';
import type { ListenerConfig } from '@netsim/kernel';
import type { Node } from '@netsim/manifest';
import { PROXY_HEALTH_PORT } from '@netsim/proxy';
import { parseIp } from '@netsim/wire';

const localhost = parseIp('127.0.0.1');

/** What listens on a node itself: kubelet and kube-proxy everywhere, the API server on a control-plane node. */
export function nodeListeners(node: Node): ListenerConfig[] {
  const netns = node.metadata.name;
  const listeners: ListenerConfig[] = [
    { netns, protocol: 'tcp', port: 10250, program: 'kubelet' },
    { netns, protocol: 'tcp', port: 10248, address: localhost, program: 'kubelet' },
    { netns, protocol: 'tcp', port: PROXY_HEALTH_PORT, program: 'kube-proxy' },
    { netns, protocol: 'tcp', port: 10249, address: localhost, program: 'kube-proxy' },
  ];
  if (isControlPlane(node)) listeners.push({ netns, protocol: 'tcp', port: 6443, program: 'kube-apiserver' });
  return listeners;
}
