import { describe, expect, it } from 'vitest';
import { decodeFrame, decodeIp, KnownPorts, packetKey } from '../src/packet.ts';

const vxlan = new Set([8472]);
const ports = new KnownPorts(61_000, new Set([8080, 8472]));
const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');

const syn = '4500003c e3c04000 3f06 0000 0af40102 0af40202  ee48 1f90 be2beb52 00000000 a002 fd5c 168e0000';
const outer = '0200 0000 0002 0200 0000 0001 0800 4500006e afc10000 4011 46a2 c0a80165 c0a80166';

describe('a packet read from bytes', () => {
  it('names the client port as such and shows the flags', () => {
    expect(packetKey(decodeIp(bytes(syn), vxlan)!, ports)).toBe('tcp 10.244.1.2:client > 10.244.2.2:8080 SYN');
  });

  it('inside VXLAN is shown with its own TTL', () => {
    const frame = `${outer} 9c1a 2118 005a c400 08000000 00000100 0200000000ff 020000000001 0800 ${syn}`.replace(
      'ee48',
      'ee48',
    );
    expect(packetKey(decodeFrame(bytes(frame), vxlan)!, ports)).toBe(
      'vxlan 1 192.168.1.101 > 192.168.1.102 [ttl 63 tcp 10.244.1.2:client > 10.244.2.2:8080 SYN]',
    );
  });

  it('that is cut short is read as far as it goes', () => {
    for (let length = 0; length < bytes(syn).length; length++) {
      const packet = decodeIp(bytes(syn).subarray(0, length), vxlan);
      expect(packet?.dst).toBe(length < 20 ? undefined : '10.244.2.2');
    }
  });

  it('with a port of nobody in particular shows a star', () => {
    const masqueraded = bytes(syn.replace('ee48', '1234'));
    expect(packetKey(decodeIp(masqueraded, vxlan)!, ports)).toBe('tcp 10.244.1.2:* > 10.244.2.2:8080 SYN');
  });

  it('that only acknowledges is of no interest', () => {
    expect(packetKey(decodeIp(bytes(syn.replace('a002', 'a010')), vxlan)!, ports)).toBeUndefined();
  });
});
