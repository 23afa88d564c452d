/** Just enough of DER (ITU-T X.690) to write an X.509 certificate (RFC 5280). */

export interface CertificateFacts {
  /** As openssl prints it: `O=Acme Co, CN=foo`. */
  readonly subject: string;
  readonly issuer: string;
  readonly names: readonly string[];
  /** Epoch milliseconds. */
  readonly validFrom: number;
  readonly validTo: number;
}

const attributeTypes: Readonly<Record<string, readonly number[]>> = {
  CN: [0x55, 0x04, 0x03],
  C: [0x55, 0x04, 0x06],
  L: [0x55, 0x04, 0x07],
  ST: [0x55, 0x04, 0x08],
  O: [0x55, 0x04, 0x0a],
  OU: [0x55, 0x04, 0x0b],
};

const SEQUENCE = 0x30;
const SET = 0x31;
const OID = 0x06;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;

const ecdsaWithSha256 = tlv(SEQUENCE, tlv(OID, [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]));
/** The base point of P-256: a public key as good as any where nothing is encrypted. */
const POINT = hex(
  '046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5',
);
const publicKey = tlv(
  SEQUENCE,
  tlv(
    SEQUENCE,
    tlv(OID, [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]),
    tlv(OID, [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]),
  ),
  tlv(BIT_STRING, [0], POINT),
);

/** A certificate that says these things. Its signature is nobody's: it is read, never checked. */
export function certificateDer({ subject, issuer, names, validFrom, validTo }: CertificateFacts): Uint8Array {
  const alternatives = names.map((name) => tlv(0x82, bytes(name)));
  const subjectAltName = tlv(SEQUENCE, tlv(OID, [0x55, 0x1d, 0x11]), tlv(OCTET_STRING, tlv(SEQUENCE, ...alternatives)));
  const body = tlv(
    SEQUENCE,
    tlv(0xa0, tlv(INTEGER, [2])),
    tlv(INTEGER, [1]),
    ecdsaWithSha256,
    distinguishedName(issuer),
    tlv(SEQUENCE, time(validFrom), time(validTo)),
    distinguishedName(subject),
    publicKey,
    ...(names.length === 0 ? [] : [tlv(0xa3, tlv(SEQUENCE, subjectAltName))]),
  );
  const signature = tlv(SEQUENCE, tlv(INTEGER, [1]), tlv(INTEGER, [1]));
  return tlv(SEQUENCE, body, ecdsaWithSha256, tlv(BIT_STRING, [0], signature));
}

function distinguishedName(text: string): Uint8Array {
  const parts = text.split(/,\s*(?=[A-Z]+\s*=)/).flatMap((part) => {
    const equals = part.indexOf('=');
    const type = attributeTypes[part.slice(0, equals).trim()];
    return type === undefined ? [] : [{ type, value: part.slice(equals + 1).trim() }];
  });
  return tlv(
    SEQUENCE,
    ...parts.map(({ type, value }) => tlv(SET, tlv(SEQUENCE, tlv(OID, type), tlv(UTF8_STRING, bytes(value))))),
  );
}

/** RFC 5280, 4.1.2.5: dates from 2050 on are a GeneralizedTime. */
function time(milliseconds: number): Uint8Array {
  const text = `${new Date(milliseconds).toISOString().replace(/[-:T]|\.\d+/g, '')}`;
  const far = text >= '2050';
  return tlv(far ? GENERALIZED_TIME : UTC_TIME, bytes(far ? text : text.slice(2)));
}

function tlv(tag: number, ...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const head =
    length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff];
  return join([head, ...parts]);
}

/** Arrays of bytes, one after the other. */
export function join(parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g)!, (pair) => Number.parseInt(pair, 16));
}
