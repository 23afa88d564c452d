import type { ResourceRecord } from '@netsim/dns';

/** A record as a master file writes it. */
export function recordText(record: ResourceRecord): string {
  const head = `${record.name} ${record.ttl} ${record.class}`;
  switch (record.type) {
    case 'SRV': {
      const { priority, weight, port, target } = record.data;
      return `${head} SRV ${priority} ${weight} ${port} ${target}`;
    }
    case 'SOA': {
      const { mname, rname, serial, refresh, retry, expire, minimum } = record.data;
      return `${head} SOA ${mname} ${rname} ${serial} ${refresh} ${retry} ${expire} ${minimum}`;
    }
    case 'MX':
      return `${head} MX ${record.data.preference} ${record.data.exchange}`;
    case 'TXT':
      return `${head} TXT ${record.data.map((text) => JSON.stringify(text)).join(' ')}`;
    case 'HINFO':
      return `${head} HINFO ${JSON.stringify(record.data.cpu)} ${JSON.stringify(record.data.os)}`;
    case 'OPAQUE':
      return `${head} TYPE${record.typeCode} ${Buffer.from(record.data).toString('hex')}`;
    case 'NAPTR':
    case 'CAA':
      return `${head} ${record.type} ${JSON.stringify(record.data)}`;
    default:
      return `${head} ${record.type} ${record.data}`;
  }
}
