import type { IpSet, IpsetType } from './ipset.ts';

/** Revision of a set type, and bytes: of an empty set, and of each element, in IPv4 and in IPv6. As Linux 6.18 has them. */
const kernelTypes: Readonly<
  Record<IpsetType, readonly [revision: number, empty4: number, each4: number, empty6: number, each6: number]>
> = {
  'hash:ip': [6, 216, 40, 224, 64],
  'hash:net': [7, 456, 48, 1240, 72],
  'hash:ip,port': [7, 216, 48, 232, 72],
  'hash:net,port': [8, 456, 48, 1240, 72],
  'hash:ip,port,ip': [6, 208, 56, 232, 104],
  'hash:ip,port,net': [8, 464, 56, 1256, 104],
  'hash:net,iface': [8, 488, 88, 1264, 112],
  'hash:mac': [1, 216, 48, 216, 48],
  'bitmap:port': [3, 8264, 0, 8264, 0],
};

/** As `ipset save` prints a set. */
export function ipsetSaveText(set: IpSet): string {
  return lines([
    `create ${set.name} ${set.type} ${header(set)}`,
    ...set.elements().map((element) => `add ${set.name} ${element}`),
  ]);
}

/** As `ipset list` prints a set: `references` counts the rules that ask it, `members` whether its elements are shown. */
export function ipsetListText(set: IpSet, references: number, members = true): string {
  const [revision, empty4, each4, empty6, each6] = kernelTypes[set.type];
  const size = set.family === 4 ? empty4 + set.size * each4 : empty6 + set.size * each6;
  return lines([
    `Name: ${set.name}`,
    `Type: ${set.type}`,
    `Revision: ${revision}`,
    `Header: ${header(set)}`,
    `Size in memory: ${size}`,
    `References: ${references}`,
    `Number of entries: ${set.size}`,
    ...(members ? ['Members:', ...set.elements()] : []),
  ]);
}

/** A hash has two more options that nobody gives: the kernel's own size of a bucket, and where it starts to hash from. */
function header({ name, type, options }: IpSet): string {
  if (type.startsWith('bitmap:') || options.includes('initval')) return options;
  return `${options} bucketsize 12 initval 0x${initialValue(name).toString(16).padStart(8, '0')}`;
}

/** Drawn by Linux; here a hash of the name (FNV-1a), so that a set prints the same each time. */
function initialValue(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('');
}
