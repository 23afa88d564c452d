import { expect, test } from 'vitest';
import { readVectorLines } from '../../../../test/support/vectors.ts';
import {
  applyNft,
  emptyNftRuleset,
  type NftRuleset,
  parseNftRuleset,
  printNftRuleset,
} from '../../src/netfilter/nftables/index.ts';

interface VectorCase {
  readonly id: string;
  readonly previous?: string;
  readonly expect: { readonly transaction: string; readonly nftList?: string };
}

for (const name of ['nftables-tests', 'nftables-recorded']) {
  test(`every transaction of ${name}, applied in turn, prints as nft printed it`, () => {
    const cases = readVectorLines<VectorCase>(`kube-proxy/${name}.jsonl.gz`);
    if (cases === undefined) return;
    const states = new Map<string, NftRuleset>();
    const failed: string[] = [];
    for (const { id, previous, expect: expected } of cases) {
      try {
        const before = (previous === undefined ? undefined : states.get(previous)) ?? emptyNftRuleset;
        const after = applyNft(before, expected.transaction);
        states.set(id, after);
        if (expected.nftList === undefined) continue;
        compare(printNftRuleset(after), expected.nftList, 'applied');
        compare(printNftRuleset(parseNftRuleset(expected.nftList)), expected.nftList, 'read back');
      } catch (error) {
        failed.push(`${id}: ${String(error).slice(0, 600)}`);
      }
    }
    for (const line of failed.slice(0, 20)) console.log(line);
    console.log(`vectors kube-proxy/${name} (text): ${cases.length - failed.length}/${cases.length}`);
    expect(failed).toEqual([]);
  });
}

function compare(have: string, want: string, what: string): void {
  if (have === want) return;
  const ours = have.split('\n');
  const theirs = want.split('\n');
  const at = ours.findIndex((line, i) => line !== theirs[i]);
  throw new Error(`${what}, line ${at + 1}: want ${theirs[at]}, have ${ours[at]}`);
}
