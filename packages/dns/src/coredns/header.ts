import { BADVERS, type DnsMessage, RCODES, type Rcode } from './message.ts';

/** Bits of the second word of the header, RFC 1035 4.1.1 and RFC 4035 3.1.6. */
export const QR = 0x8000;
export const AA = 0x0400;
export const TC = 0x0200;
export const RD = 0x0100;
export const RA = 0x0080;
export const AD = 0x0020;
export const CD = 0x0010;
/** In the flags of an OPT record, RFC 3225. */
export const DO = 0x8000;

/** The flag bits of the header without QR, opcode and rcode included. */
export function flagBits(message: DnsMessage): number {
  return (
    (message.opcode << 11) |
    (message.aa ? AA : 0) |
    (message.tc ? TC : 0) |
    (message.rd ? RD : 0) |
    (message.ra ? RA : 0) |
    (message.ad ? AD : 0) |
    (message.cd ? CD : 0) |
    (rcodeNumber(message.rcode) % 16)
  );
}

export function rcodeNumber(rcode: Rcode): number {
  return rcode === 'BADVERS' ? BADVERS : RCODES.indexOf(rcode);
}

export function rcodeOf(number: number): Rcode {
  return number === BADVERS ? 'BADVERS' : (RCODES[number] ?? 'SERVFAIL');
}
