import { formatPrefix } from '@netsim/wire';
import { expect, test } from 'vitest';
import { CniConfigError, conflistConfig, flannelConfig } from '../src/index.ts';

const cniConf = JSON.stringify({
  name: 'cbr0',
  cniVersion: '0.3.1',
  plugins: [
    { type: 'flannel', delegate: { hairpinMode: true, isDefaultGateway: true } },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
});

function configMap(netConf: object, cni: string | undefined = cniConf) {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap' as const,
    metadata: { name: 'kube-flannel-cfg', namespace: 'kube-flannel' },
    data: { 'net-conf.json': JSON.stringify(netConf), ...(cni !== undefined && { 'cni-conf.json': cni }) },
  };
}

test('the ConfigMap of kube-flannel.yml gives VXLAN with VNI 1 on port 8472', () => {
  const config = flannelConfig(
    configMap({ Network: '10.244.0.0/16', EnableNFTables: false, Backend: { Type: 'vxlan' } }),
  );
  expect(config).toMatchObject({ backend: 'vxlan', vni: 1, port: 8472, hairpinMode: true, isDefaultGateway: true });
  expect(config?.networks.map(formatPrefix)).toEqual(['10.244.0.0/16']);
});

test('what net-conf.json says is taken over', () => {
  const config = flannelConfig(
    configMap(
      {
        EnableIPv6: true,
        Network: '10.1.0.0/16',
        IPv6Network: '2001:cafe:42::/56',
        Backend: { Type: 'vxlan', VNI: 4096, Port: 4789, DirectRouting: true },
      },
      JSON.stringify({ type: 'flannel', delegate: { bridge: 'mybridge', mtu: 1400 } }),
    ),
  );
  expect(config).toMatchObject({ vni: 4096, port: 4789, directRouting: true, bridge: 'mybridge', mtu: 1400 });
  expect(config).toMatchObject({ hairpinMode: false, isDefaultGateway: false });
  expect(config?.networks.map(formatPrefix)).toEqual(['10.1.0.0/16', '2001:cafe:42::/56']);
});

test('a ConfigMap without net-conf.json is none of flannel', () => {
  expect(flannelConfig({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, data: {} })).toBeUndefined();
});

test.each([
  ['an unknown backend', { Network: '10.244.0.0/16', Backend: { Type: 'wireguard' } }, 'net-conf.json: Backend.Type'],
  ['a network without a length', { Network: '10.244.0.0', Backend: { Type: 'vxlan' } }, 'net-conf.json: Network'],
  ['a network out of range', { Network: '10.244.0.0/33', Backend: { Type: 'vxlan' } }, 'net-conf.json: Network'],
  ['no network', { Backend: { Type: 'vxlan' } }, 'net-conf.json: Network'],
  [
    'an IPv6 network missing',
    { Network: '10.244.0.0/16', EnableIPv6: true, Backend: { Type: 'vxlan' } },
    'net-conf.json: IPv6Network',
  ],
  [
    'a VNI in quotes',
    { Network: '10.244.0.0/16', Backend: { Type: 'vxlan', VNI: '1' } },
    'net-conf.json: Backend: VNI',
  ],
  ['a backend that is a text', { Network: '10.244.0.0/16', Backend: 'vxlan' }, 'net-conf.json: Backend'],
])('%s is refused with the field', (_, netConf, field) => {
  let error: unknown;
  try {
    flannelConfig(configMap(netConf));
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(CniConfigError);
  expect(error).toMatchObject({ field });
});

test('a conflist with the bridge plugin is read', () => {
  const text = JSON.stringify({
    cniVersion: '1.0.0',
    name: 'k8s-pod-network',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        ipMasq: true,
        hairpinMode: true,
        ipam: { type: 'host-local', ranges: [[{ subnet: '10.85.0.0/16' }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
      { type: 'portmap' },
    ],
  });
  const config = conflistConfig(text, '10-bridge.conflist');
  expect(config).toMatchObject({
    plugin: 'bridge',
    bridge: 'cni0',
    isGateway: true,
    isDefaultGateway: false,
    hairpinMode: true,
  });
  expect(config.plugin === 'bridge' ? config.routes.map(formatPrefix) : []).toEqual(['0.0.0.0/0']);
});

test('a conflist with flannel leaves the rest to flannel', () => {
  expect(conflistConfig(cniConf, '10-flannel.conflist')).toMatchObject({ plugin: 'flannel', backend: 'vxlan' });
});

test.each([
  ['text that is no JSON', '{'],
  ['a list', '[]'],
  ['a plugin that is not modelled', '{"plugins":[{"type":"calico"}]}'],
])('%s is refused with the name of the file', (_, text) => {
  expect(() => conflistConfig(text, 'x.conflist')).toThrow(/^x\.conflist: /);
});
