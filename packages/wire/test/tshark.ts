import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PcapngWriter } from '../src/index.ts';

/** What tshark says of one packet. A list holds outer and inner headers, in that order. */
export interface Dissection {
  readonly protocols: string;
  readonly interface: string;
  /** Seconds, as text with all its digits. */
  readonly time: string;
  readonly comment: string;
  readonly malformed: string;
  /** Of every header that has one; 0 bad, 1 good, 2 not looked at. */
  readonly checksums: readonly string[];
  readonly field: (name: string) => string;
}

export const tsharkMissing =
  spawnSync('tshark', ['--version']).status === 0
    ? undefined
    : 'tshark is not installed: nobody else reads our captures';

const fixed = ['frame.protocols', 'frame.interface_name', 'frame.time_epoch', 'frame.comment', '_ws.malformed'];
const checksums = ['ip', 'tcp', 'udp', 'sctp', 'icmp', 'icmpv6'].map((layer) => `${layer}.checksum.status`);

/** Reads a capture with tshark, all checksums looked at and VXLAN taken apart on Linux's port too. */
export function dissect(capture: Uint8Array, more: readonly string[] = []): Dissection[] {
  const fields = [...fixed, ...checksums, ...more];
  const preferences = [
    'ip.check_checksum:TRUE',
    'tcp.check_checksum:TRUE',
    'udp.check_checksum:TRUE',
    'sctp.checksum:CRC-32C',
  ];
  // tshark refuses a pipe that is a socket, as ours are.
  const directory = mkdtempSync(join(tmpdir(), 'netsim-capture-'));
  const file = join(directory, 'capture.pcapng');
  writeFileSync(file, capture);
  const { status, stdout, stderr } = spawnSync(
    'tshark',
    [
      ...['-r', file, '-n', '-d', 'udp.port==8472,vxlan', '-T', 'fields', '-E', 'separator=/t'],
      ...preferences.flatMap((preference) => ['-o', preference]),
      ...fields.flatMap((field) => ['-e', field]),
    ],
    { encoding: 'utf8', env: { ...process.env, TZ: 'UTC' } },
  );
  rmSync(directory, { recursive: true });
  if (status !== 0) throw new Error(`tshark: ${stderr}`);
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const values = line.split('\t');
      const field = (name: string) => values[fields.indexOf(name)] ?? '';
      return {
        protocols: field('frame.protocols'),
        interface: field('frame.interface_name'),
        time: field('frame.time_epoch'),
        comment: field('frame.comment'),
        malformed: field('_ws.malformed'),
        checksums: checksums.flatMap((name) => field(name).split(',')).filter((value) => value !== ''),
        field,
      };
    });
}

export interface CapturedPacket {
  readonly interface: number;
  readonly timestamp: number;
  readonly frame: Uint8Array;
  readonly comment?: string;
}

export function capture(interfaces: readonly string[], packets: readonly CapturedPacket[]): Uint8Array {
  const writer = new PcapngWriter();
  for (const name of interfaces) writer.addInterface({ name, description: `device ünder ${name}` });
  for (const { interface: id, frame, timestamp, comment } of packets) writer.addPacket(id, frame, timestamp, comment);
  return writer.bytes();
}
