import { expect, test } from 'vitest';
import { readVectorLines } from '../../../../test/support/vectors.ts';
import { printIptablesSave } from '../../src/netfilter/iptables/print.ts';
import { applyRestore, parseIptablesSave } from '../../src/netfilter/iptables/restore.ts';
import type { Ruleset } from '../../src/netfilter/iptables/rule.ts';

interface VectorCase {
  readonly id: string;
  readonly previous?: string;
  readonly config: { readonly ipFamily: string };
  readonly expect: {
    readonly transaction: string;
    readonly iptablesSave?: { readonly nft?: string; readonly legacy?: string };
  };
}

for (const name of ['iptables-tests', 'iptables-recorded']) {
  const cases = readVectorLines<VectorCase>(`kube-proxy/${name}.jsonl.gz`) ?? [];
  test.skipIf(cases.length === 0)(
    `every text of ${name} reads, and what iptables-save printed prints again byte for byte`,
    () => {
      const states = new Map<string, Ruleset>();
      const failed: string[] = [];
      for (const vector of cases) {
        const family = vector.config.ipFamily === 'IPv6' ? 6 : 4;
        const before = vector.previous === undefined ? undefined : states.get(vector.previous);
        try {
          states.set(vector.id, applyRestore(before, vector.expect.transaction, { noflush: true, family }));
          for (const text of [vector.expect.iptablesSave?.nft, vector.expect.iptablesSave?.legacy]) {
            if (text !== undefined && printIptablesSave(parseIptablesSave(text, family)) !== text)
              throw new Error('printed otherwise');
          }
        } catch (error) {
          failed.push(`${vector.id}: ${String(error).slice(0, 300)}`);
        }
      }
      for (const line of failed.slice(0, 20)) console.log(line);
      console.log(`vectors kube-proxy/${name} (text): ${cases.length - failed.length}/${cases.length}`);
      expect(failed).toEqual([]);
    },
  );
}
